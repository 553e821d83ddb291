;; The start function calls the host and leaves a trace.
(module
  (import "env" "init" (func $init (result i32)))
  (global $seen (mut i32) (i32.const 0))
  (export "seen" (global $seen))
  (func $start (global.set $seen (call $init)))
  (start $start)
)
