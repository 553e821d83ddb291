;; Halves its input, in blocks of at most 256 frames, and claims a latency of 32. "mode" 1 is an illegal access, 2 a call that does not
;; end, 3 one of more than a second, 4 one of some 50 ms. The test makes versions with another factor.
(module
  (memory (export "memory") 1 1)
  (@custom "rtw_guest" "{\"name\": \"Faulty\", \"inputs\": 1, \"outputs\": 1, \"parameters\": [{\"id\": \"mode\", \"max\": 4, \"flags\": [\"integer\"]}]}")
  ;; rtw_io: lists of inputs and outputs, parameters; the latency is the eighth word.
  (data (i32.const 16) "\40\00\00\00\44\00\00\00\48\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\20\00\00\00")
  (data (i32.const 64) "\00\10\00\00\00\20\00\00")
  (func (export "rtw_init") (param f64 i32) (result i32) (i32.gt_s (local.get 1) (i32.const 256)))
  (func (export "rtw_io") (result i32) (i32.const 16))
  (func (export "rtw_reset"))
  (func $for_ever (loop $again (br $again)))
  (func $linger (param $times i32)
    (loop $again (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
  (func (export "rtw_process") (param $frames i32) (local $at i32) (local $mode f32)
    (local.set $mode (f32.load (i32.const 72)))
    (if (f32.eq (local.get $mode) (f32.const 1)) (then (drop (i32.load (i32.const 0x7fffff00)))))
    (if (f32.eq (local.get $mode) (f32.const 2)) (then (call $for_ever)))
    (if (f32.eq (local.get $mode) (f32.const 3)) (then (call $linger (i32.const 0))))
    (if (f32.eq (local.get $mode) (f32.const 4)) (then (call $linger (i32.const 0x6000000))))
    (local.set $frames (i32.shl (local.get $frames) (i32.const 2)))
    (if (i32.eqz (local.get $frames)) (then (return)))
    (loop $next
      (f32.store offset=0x2000 (local.get $at)
        (f32.mul (f32.load offset=0x1000 (local.get $at))
          (f32.const 0.5)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $frames))))))
