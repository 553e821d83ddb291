;; No memory is called "memory": the first exported one is the default.
(module
  (memory $hidden 1 1)
  (memory $first 1 2)
  (memory $second 2 3)
  (export "first" (memory $first))
  (export "second" (memory $second))
  (data (memory $first) (i32.const 0) "1st")
  (data (memory $second) (i32.const 0) "2nd")
  (func (export "nothing"))
)
