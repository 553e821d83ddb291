;; Uses the functions that the library itself provides to guests: it prints, logs, reads a clock, takes random numbers, computes.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "env" "sinf" (func $sinf (param f32) (result f32)))
  (import "env" "pow" (func $pow (param f64 f64) (result f64)))
  (import "env" "rtw_log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\07\00\00\00")
  (data (i32.const 64) "a line\n")
  ;; 0 if every function has answered as it should.
  (func (export "speak") (result i32)
    (call $log (i32.const 2) (i32.const 64) (i32.const 6))
    (i32.add
      (i32.add (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))
        (i32.sub (i32.load (i32.const 32)) (i32.const 7)))
      (i32.add
        (i32.add (call $time (i32.const 1) (i64.const 0) (i32.const 128)) (call $random (i32.const 256) (i32.const 100)))
        (i32.add
          (i32.add (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))
            (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0)
              (i32.const 0) (i32.const 40))))
          (i32.add (f32.ne (call $sinf (f32.const 0)) (f32.const 0))
            (f64.ne (call $pow (f64.const 3) (f64.const 4)) (f64.const 81))))))))
