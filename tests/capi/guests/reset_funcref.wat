;; A mutable global that holds a function.
(module
  (memory (export "memory") 1 1)
  (table $table 1 1 funcref)
  (elem declare func $one $two)
  (global $chosen (mut funcref) (ref.func $one))
  (global $count (export "count") (mut i32) (i32.const 3))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "scribble") (global.set $chosen (ref.func $two)) (global.set $count (i32.const 4)))
  (func (export "trap") (global.set $chosen (ref.func $two)) (global.set $count (i32.const 4)) (unreachable))
  (func (export "entry") (param i32) (result i32)
    (table.set $table (i32.const 0) (global.get $chosen))
    (call_indirect (result i32) (local.get 0))))
