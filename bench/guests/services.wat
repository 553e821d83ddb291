;; Calls the library's own functions n times a call, and has table entries for the host to call.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "rtwasm" "rtw_log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (table (export "table") 2 2 funcref)
  (elem (i32.const 0) $empty $empty)
  (data (i32.const 0) "sixteen letters\n")
  (data (i32.const 32) "\00\00\00\00\10\00\00\00")
  (func $empty (export "empty"))
  (func (export "clock_time_get") (param $n i32)
    (loop $next
      (drop (call $time (i32.const 1) (i64.const 1) (i32.const 64)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "fd_write") (param $n i32)
    (loop $next
      (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 64)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "random_get") (param $n i32)
    (loop $next
      (drop (call $random (i32.const 64) (i32.const 8)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "sched_yield") (param $n i32)
    (loop $next
      (drop (call $yield))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "rtw_log") (param $n i32)
    (loop $next
      (call $log (i32.const 2) (i32.const 0) (i32.const 15))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
