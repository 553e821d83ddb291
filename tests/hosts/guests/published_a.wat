;; One of two versions of the same code, which differ in a constant.
(module
  (memory (export "memory") 1 1)
  (func (export "answer") (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 10)) (i32.const 1))))
