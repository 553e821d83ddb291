;; An effect that follows guests/README.md and is late once: the 50th call after a reset computes for much longer than a period.
(module
  (memory (export "memory") 2 2)
  (global $calls (mut i32) (i32.const 0))
  (func (export "init") (param f32 i32 i32) (result i32) (i32.const 0))
  (func (export "input") (param i32) (result i32) (i32.add (i32.const 1024) (i32.mul (local.get 0) (i32.const 16384))))
  (func (export "output") (param i32) (result i32) (i32.add (i32.const 1024) (i32.mul (local.get 0) (i32.const 16384))))
  (func (export "set_param") (param i32 f32) (result i32) (i32.const 0))
  (func (export "process") (param $frames i32)
    (local $left i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 50))
      (then
        (local.set $left (i32.const 300000000))
        (loop $more
          (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $left)))
          (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))))
  (func (export "latency") (result i32) (i32.const 0))
  (func (export "reset") (global.set $calls (i32.const 0))))
