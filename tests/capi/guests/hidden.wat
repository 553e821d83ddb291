;; Has a memory, tables and globals that it does not export. Its exports have names like those that the library gives them.
(module
  (memory $own 1 1)
  (table $own_table 2 2 funcref)
  (global $count (mut i32) (i32.const 7))
  (global $constant i32 (i32.const 8))
  (func (export "m0") (result i32) global.get $count)
  (func (export "") (result i32) (i32.load (i32.const 0)))
  (data (i32.const 0) "hide"))
