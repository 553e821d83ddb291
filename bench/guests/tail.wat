;; The end of a decaying tail: a two-pole resonator without input, whose state is kept among the denormals.
(module
  (import "host" "nop" (func $nop))
  (memory (export "memory") 1 1)
  (func (export "tail")
    (local $n i32) (local $y1 f32) (local $y2 f32) (local $y f32)
    (local.set $y1 (f32.const 0x1p-130))
    (local.set $y2 (f32.const 0x1p-130))
    (local.set $n (i32.const 512))
    (loop $next
      ;; Poles at radius 1: the amplitude neither grows nor reaches zero within the block.
      (local.set $y
        (f32.sub (f32.mul (f32.const 1.9) (local.get $y1)) (local.get $y2)))
      (local.set $y2 (local.get $y1))
      (local.set $y1 (local.get $y))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (f32.store (i32.const 0) (local.get $y))))
