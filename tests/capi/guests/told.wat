;; Does what the host tells it, in its start function and in calls: 1 traps, everything else is answered.
(module
  (import "env" "told" (func $told (result i32)))
  (memory (export "memory") 1 4)
  (func $act (export "act") (result i32) (local $what i32)
    (local.set $what (call $told))
    (if (i32.eq (local.get $what) (i32.const 1)) (then unreachable))
    (local.get $what))
  (func $start (drop (call $act)))
  (start $start)
  (func (export "alive") (result i32) (i32.const 1))
)
