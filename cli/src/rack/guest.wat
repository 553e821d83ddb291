;; The effect of `rtwasm bench --rack`: eight biquads in series, in place. `rack/effect.rs` computes the same.
(module
  (memory (export "memory") 1)

  ;; The address of the samples.
  (func (export "samples") (result i32) (i32.const 1024))

  ;; what: 0 the effect; 1 a trap; 2 a loop that never ends.
  (func (export "process") (param $frames i32) (param $what i32)
    (local $stage i32) (local $at i32) (local $end i32)
    (local $x f32) (local $y f32) (local $s1 f32) (local $s2 f32)
    (if (i32.eq (local.get $what) (i32.const 1)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 2)) (then (loop $for_ever (br $for_ever))))
    (local.set $end (i32.add (i32.const 1024) (i32.shl (local.get $frames) (i32.const 2))))
    (loop $stages
      (local.set $s1 (f32.load (i32.shl (local.get $stage) (i32.const 3))))
      (local.set $s2 (f32.load offset=4 (i32.shl (local.get $stage) (i32.const 3))))
      (local.set $at (i32.const 1024))
      (loop $frame
        (local.set $x (f32.load (local.get $at)))
        (local.set $y (f32.add (f32.mul (f32.const 0.25) (local.get $x)) (local.get $s1)))
        (local.set $s1
          (f32.add
            (f32.sub (f32.mul (f32.const 0.5) (local.get $x)) (f32.mul (f32.const -0.5) (local.get $y)))
            (local.get $s2)))
        (local.set $s2
          (f32.sub (f32.mul (f32.const 0.25) (local.get $x)) (f32.mul (f32.const 0.5) (local.get $y))))
        (f32.store (local.get $at) (local.get $y))
        (br_if $frame (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (local.get $end))))
      (f32.store (i32.shl (local.get $stage) (i32.const 3)) (local.get $s1))
      (f32.store offset=4 (i32.shl (local.get $stage) (i32.const 3)) (local.get $s2))
      (br_if $stages (i32.lt_u (local.tee $stage (i32.add (local.get $stage) (i32.const 1))) (i32.const 8))))))
