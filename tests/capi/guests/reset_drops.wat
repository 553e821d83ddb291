;; Its code drops segments, which stay away until there is a new guest.
(module
  (memory (export "memory") 1 1)
  (table (export "table") 2 funcref)
  (data $data "data")
  (elem $one func $first)
  (func $first (result i32) (i32.const 1))
  (func (export "scribble") (data.drop $data) (elem.drop $one))
  (func (export "entry") (param i32) (result i32)
    (memory.init $data (i32.const 0) (i32.const 0) (i32.const 4))
    (table.init $one (i32.const 0) (i32.const 0) (i32.const 1))
    (call_indirect (result i32) (local.get 0))))
