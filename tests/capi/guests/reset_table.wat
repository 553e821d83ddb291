;; Its code changes its table, which a reset cannot write back.
(module
  (memory (export "memory") 1 1)
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $one)
  (elem declare func $two)
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "scribble") (table.set (i32.const 0) (ref.func $two)) (i32.store (i32.const 0) (i32.const 1)))
  (func (export "entry") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))
