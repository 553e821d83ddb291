;; Carries 100,000 bytes over, with two results, and no place of its own for them: the memory grows.
(module
  (memory (export "memory") 3 8)
  (global $count (mut i32) (i32.const 0))
  (global (export "mode") (mut i32) (i32.const 0))
  (func (export "step") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  (func (export "pages") (result i32) memory.size)
  (func (export "rtw_state_save") (result i32 i32)
    (memory.fill (i32.const 4096) (global.get $count) (i32.const 100000))
    (i32.const 4096) (i32.const 100000))
  ;; All bytes are the same, and the last ones are there.
  (func (export "rtw_state_load") (param $at i32) (param $length i32) (result i32)
    (global.set $count (i32.load8_u (local.get $at)))
    (i32.and
      (i32.eq (local.get $length) (i32.const 100000))
      (i32.eq (global.get $count) (i32.load8_u (i32.add (local.get $at) (i32.sub (local.get $length) (i32.const 1))))))))
