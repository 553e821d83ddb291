;; An effect that follows guests/README.md and fails: process gives silence, and traps in the 300th call after a reset.
;; More than the host's dry calls, so that it fails in the midst of the music.
(module
  (memory (export "memory") 2 2)
  (global $calls (mut i32) (i32.const 0))
  (func (export "init") (param f32 i32 i32) (result i32) (i32.const 0))
  (func (export "input") (param i32) (result i32)
    (i32.add (i32.const 1024) (i32.mul (local.get 0) (i32.const 16384))))
  (func (export "output") (param i32) (result i32)
    (i32.add (i32.const 65536) (i32.mul (local.get 0) (i32.const 16384))))
  (func (export "set_param") (param i32 f32) (result i32) (i32.const 0))
  (func (export "process") (param i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 300)) (then unreachable)))
  (func (export "latency") (result i32) (i32.const 0))
  (func (export "reset") (global.set $calls (i32.const 0))))
