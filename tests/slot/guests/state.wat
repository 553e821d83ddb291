;; Carries a count over. `mode`, set by the host, has it misbehave: see the exports.
(module
  (memory (export "memory") 1 1)
  (global $count (mut i32) (i32.const 0))
  (global $mode (export "mode") (mut i32) (i32.const 0))
  (func (export "step") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  ;; 1: traps; 2: answers bytes outside the memory; 3: takes longer than a block may.
  (func (export "rtw_state_save") (result i64)
    (local $turns i32)
    (if (i32.eq (global.get $mode) (i32.const 1)) (then unreachable))
    (if (i32.eq (global.get $mode) (i32.const 2)) (then (return (i64.const 0x0000_1000_0000_f001))))
    (if (i32.eq (global.get $mode) (i32.const 3))
      (then (loop $work (br_if $work (i32.lt_u (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (i32.const 30000000))))))
    (i32.store (i32.const 256) (global.get $count))
    (i64.const 0x0000_0004_0000_0100))
  ;; 4: has no place; 5: answers a place outside the memory.
  (func (export "rtw_state_buffer") (param i32) (result i32)
    (if (i32.eq (global.get $mode) (i32.const 4)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $mode) (i32.const 5)) (then (return (i32.const 65534))))
    (i32.const 512))
  ;; 6: refuses; 7: traps.
  (func (export "rtw_state_load") (param i32 i32) (result i32)
    (if (i32.eq (global.get $mode) (i32.const 6)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $mode) (i32.const 7)) (then unreachable))
    (if (i32.ne (local.get 1) (i32.const 4)) (then (return (i32.const 0))))
    (global.set $count (i32.load (local.get 0)))
    (i32.const 1)))
