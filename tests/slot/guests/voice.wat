;; One version of an effect: VERSION stands for 1 or 2, and every sample shows which it was. `act` misbehaves on demand.
(module
  (import "env" "refuse" (func $refuse))
  (memory (export "memory") 1 1)
  (global $blocks (mut i32) (i32.const 0))
  ;; Input: 64 floats at 1024. Output: 64 floats at 2048, sample * (VERSION + 0.3) + 1 / block number.
  (func (export "process") (param $number i32) (result i32)
    (local $at i32)
    (loop $next
      (f32.store (i32.add (i32.const 2048) (local.get $at))
        (f32.add
          (f32.mul (f32.load (i32.add (i32.const 1024) (local.get $at))) (f32.add (f32.const VERSION) (f32.const 0.3)))
          (f32.div (f32.const 1) (f32.convert_i32_s (local.get $number)))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 256))))
    (global.set $blocks (i32.add (global.get $blocks) (i32.const 1)))
    (i32.const VERSION))
  ;; 0: all is well; 1: a trap; 2: never ends; 3: the host refuses; 4: beyond the memory.
  (func (export "act") (param $kind i32) (result i32)
    (if (i32.eq (local.get $kind) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (loop $for_ever (br $for_ever))))
    (if (i32.eq (local.get $kind) (i32.const 3)) (then (call $refuse)))
    (if (i32.eq (local.get $kind) (i32.const 4)) (then (drop (i32.load (i32.const 65536)))))
    (i32.const VERSION))
  (func (export "blocks") (result i32) (global.get $blocks)))
