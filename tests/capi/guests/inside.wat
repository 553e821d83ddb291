;; A guest for rtw_guest_... whose block first calls the host, and then has the parameter "add" in every frame of its only channel.
(module
  (@custom "rtw_guest" "{\"name\": \"Inside\", \"outputs\": 1, \"parameters\": [{\"id\": \"add\", \"min\": -10, \"max\": 10, \"default\": 0}]}")
  (import "env" "visit" (func $visit))
  (memory (export "memory") 1 1)
  ;; 16: the record, 64: the list of channels, 80: the parameter, 1024: the channel
  (data (i32.const 20) "\40\00\00\00\50\00\00\00")
  (data (i32.const 64) "\00\04\00\00")
  (func (export "rtw_init") (param f64 i32) (result i32) (i32.const 0))
  (func (export "rtw_io") (result i32) (i32.const 16))
  (func (export "rtw_reset"))
  (func (export "rtw_process") (param $frames i32) (local $at i32)
    (call $visit)
    (loop $next
      (if (i32.lt_u (local.get $at) (i32.mul (local.get $frames) (i32.const 4))) (then
        (f32.store offset=1024 (local.get $at) (f32.load (i32.const 80)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next))))))
