;; A function that is exported and in a table, a call through a table, a global.
(module
  (type $two (func (param i32 i32) (result i32)))
  (type $none (func))
  (table 2 2 funcref)
  (memory (export "memory") 1 1)
  (global (export "level") (mut f32) (f32.const 0))
  (elem (i32.const 0) $add)
  (func $add (export "add") (type $two) (i32.add (local.get 0) (local.get 1)))
  (func (export "call_host") (call_indirect (type $none) (i32.const 1))))
