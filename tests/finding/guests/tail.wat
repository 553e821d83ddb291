;; An effect that rings: a burst goes through a decaying resonator. Between two bursts its state falls into the denormals and stays
;; there, as there is nothing that cuts it to zero.
(module
  (memory (export "memory") 1 1)
  (global $state (mut f32) (f32.const 0))
  (func (export "input") (param $channel i32) (result i32)
    (select (i32.const 0) (i32.const 1024) (local.get $channel)))
  (func (export "process") (param $frames i32)
    (local $at i32) (local $end i32) (local $y f32)
    (local.set $y (global.get $state))
    (local.set $at (i32.const 1024))
    (local.set $end (i32.add (i32.const 1024) (i32.shl (local.get $frames) (i32.const 2))))
    (loop $next
      (local.set $y (f32.add (f32.mul (local.get $y) (f32.const 0.96)) (f32.load (local.get $at))))
      (f32.store offset=16384 (local.get $at) (f32.mul (local.get $y) (f32.const 0.3)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (global.set $state (local.get $y))))
