;; A guest whose state a reset writes back.
(module
  (memory (export "memory") 1 4)
  (data (i32.const 16) "\02\00\00\00")
  (global $count (mut i32) (i32.const 0))
  ;; The argument, what the memory says, and the calls before.
  (func (export "change") (param i32) (result i32)
    (local.set 0 (i32.add (local.get 0) (i32.add (i32.load (i32.const 16)) (global.get $count))))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (local.get 0))
  (func (export "unreachable")
    (i32.store (i32.const 4096) (i32.const 7))
    (unreachable))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
