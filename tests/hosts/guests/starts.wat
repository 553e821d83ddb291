;; A start function that calls the host, then an export that does.
(module
  (import "env" "visit" (func $visit (param i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "visit") (param i32) (result i32) (call $visit (local.get 0)))
  (func $start (drop (call $visit (i32.const 0))))
  (start $start)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
