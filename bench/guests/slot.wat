;; What the slot's cases call: nothing, or a loop that never ends where it is asked for.
(module
  (memory (export "memory") 1 1)
  (func (export "act") (param $spin i32) (result i32)
    (if (local.get $spin) (then (loop $for_ever (br $for_ever))))
    (local.get $spin)))
