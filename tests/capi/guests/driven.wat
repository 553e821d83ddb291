;; A guest for rtw_guest_...: adds the parameter "add" to its only channel, in place. "trap" traps, "refuse" below 1000 Hz refuses, and
;; 2000 Hz gives a buffer outside the memory.
(module
  (@custom "rtw_guest" "{\"name\": \"Driven\", \"inputs\": 1, \"outputs\": 1, \"latency\": 7, \"parameters\": [{\"id\": \"add\", \"min\": -10, \"max\": 10, \"default\": 0}, {\"id\": \"trap\"}]}")
  (memory (export "memory") 1 1)
  ;; 16: the record, 64: the list of channels, 80: the parameters, 1024: the channel
  (data (i32.const 16) "\40\00\00\00\40\00\00\00\50\00\00\00")
  (data (i32.const 64) "\00\04\00\00")
  (func (export "rtw_init") (param $rate f64) (param $frames i32) (result i32)
    (i32.store (i32.const 44) (i32.const 7))
    (i32.store (i32.const 64) (select (i32.const 65532) (i32.const 1024) (f64.eq (local.get $rate) (f64.const 2000))))
    (i32.or (f64.lt (local.get $rate) (f64.const 1000)) (i32.gt_u (local.get $frames) (i32.const 512))))
  (func (export "rtw_io") (result i32) (i32.const 16))
  (func (export "rtw_reset") (f32.store (i32.const 1024) (f32.const 0)))
  (func (export "rtw_process") (param $frames i32) (local $at i32)
    (if (f32.gt (f32.load (i32.const 84)) (f32.const 0.5)) (then unreachable))
    (loop $next
      (if (i32.lt_u (local.get $at) (i32.mul (local.get $frames) (i32.const 4))) (then
        (f32.store offset=1024 (local.get $at) (f32.add (f32.load offset=1024 (local.get $at)) (f32.load (i32.const 80))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next))))))
