;; Tables and a memory that may grow without end: one table has an entry already, the other has none.
(module
  (memory (export "memory") 1)
  (table $one 1 funcref)
  (table $none 0 funcref)
  (elem (table $one) (i32.const 0) func $seven)
  (func $seven (result i32) (i32.const 7))
  (func (export "grow_one") (param i32) (result i32) (table.grow $one (ref.null func) (local.get 0)))
  (func (export "grow_none") (param i32) (result i32) (table.grow $none (ref.func $seven) (local.get 0)))
  (func (export "grow_memory") (param i32) (result i32) (memory.grow (local.get 0)))
  ;; What lies in an entry says 7, or the call traps.
  (func (export "ask_one") (param i32) (result i32) (call_indirect $one (result i32) (local.get 0)))
  (func (export "ask_none") (param i32) (result i32) (call_indirect $none (result i32) (local.get 0)))
  (func (export "trap") unreachable)
)
