;; An entry of a table for the host's function, which the guest calls.
(module
  (type $one (func (param i32) (result i32)))
  (table (export "table") 2 2 funcref)
  (func (export "call") (param i32) (result i32) (call_indirect (type $one) (local.get 0) (i32.const 1)))
  (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "fault") (param i32) (result i32) unreachable))
