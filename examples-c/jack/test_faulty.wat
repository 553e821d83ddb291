;; An effect that fails: it turns the signal upside down, and traps in the 300th call after a reset.
(module
  (memory (export "memory") 2 2)
  (@custom "rtw_guest" "{\"name\": \"Faulty\", \"inputs\": 2, \"outputs\": 2}")
  ;; The record of rtw_io, then the lists of two inputs and two outputs.
  (data (i32.const 16) "\40\00\00\00\48\00\00\00")
  (data (i32.const 64) "\00\04\00\00\00\44\00\00\00\00\01\00\00\40\01\00")
  (global $calls (mut i32) (i32.const 0))
  (func (export "rtw_init") (param f64 i32) (result i32) (i32.gt_s (local.get 1) (i32.const 4096)))
  (func (export "rtw_io") (result i32) (i32.const 16))
  (func (export "rtw_reset") (global.set $calls (i32.const 0)))
  (func $turn (param $from i32) (param $to i32) (param $bytes i32)
    (local $at i32)
    (loop $next
      (f32.store (i32.add (local.get $to) (local.get $at)) (f32.neg (f32.load (i32.add (local.get $from) (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $bytes)))))
  (func (export "rtw_process") (param $frames i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 300)) (then unreachable))
    (call $turn (i32.const 1024) (i32.const 65536) (i32.shl (local.get $frames) (i32.const 2)))
    (call $turn (i32.const 17408) (i32.const 81920) (i32.shl (local.get $frames) (i32.const 2)))))
