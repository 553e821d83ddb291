;; A start function that never stops calling itself.
(module
  (func $recurse (param i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
  (func $start (drop (call $recurse (i32.const 0))))
  (start $start)
)
