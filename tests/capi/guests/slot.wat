;; For slots and budgets: 1 traps, 2 never ends; a state of 4 bytes, refused while `refuses` is set.
(module
  (memory (export "memory") 1 4)
  (global $refuses (export "refuses") (mut i32) (i32.const 0))
  (func (export "act") (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (loop $for_ever (br $for_ever))))
    (i32.add (local.get 0) (i32.const 1)))
  (func (export "rtw_state_save") (result i64) (i64.const 0x0000_0004_0000_0000))
  (func (export "rtw_state_load") (param i32 i32) (result i32) (i32.eqz (global.get $refuses))))
