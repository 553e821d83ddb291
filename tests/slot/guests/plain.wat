;; Counts as `state` does, and carries nothing over.
(module
  (memory (export "memory") 1 1)
  (global $count (export "count") (mut i32) (i32.const 0))
  (func (export "step") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count)))
