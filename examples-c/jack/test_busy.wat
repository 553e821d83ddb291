;; An effect that is late once: it computes silence, and the 50th call after a reset takes much longer than a period.
(module
  (memory (export "memory") 2 2)
  (@custom "rtw_guest" "{\"name\": \"Busy\", \"inputs\": 2, \"outputs\": 2}")
  ;; The record of rtw_io, then the lists of two inputs and two outputs.
  (data (i32.const 16) "\40\00\00\00\48\00\00\00")
  (data (i32.const 64) "\00\04\00\00\00\44\00\00\00\00\01\00\00\40\01\00")
  (global $calls (mut i32) (i32.const 0))
  (func (export "rtw_init") (param f64 i32) (result i32) (i32.gt_s (local.get 1) (i32.const 4096)))
  (func (export "rtw_io") (result i32) (i32.const 16))
  (func (export "rtw_reset") (global.set $calls (i32.const 0)))
  (func (export "rtw_process") (param $frames i32)
    (local $left i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 50))
      (then
        (local.set $left (i32.const 300000000))
        (loop $more
          (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $left)))
          (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))))
