;; Crosses the border between guest and host n times a call: what is timed is the way there and back.
(module
  (import "host" "nop" (func $nop))
  (import "host" "mix" (func $mix (param i32 f32) (result f32)))
  (import "env" "sinf" (func $sinf (param f32) (result f32)))
  (import "env" "pow" (func $pow (param f64 f64) (result f64)))
  (func (export "nop") (param $n i32)
    (loop $next
      (call $nop)
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "mix") (param $n i32) (local $x f32)
    (loop $next
      (local.set $x (call $mix (local.get $n) (local.get $x)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; Each result is the next argument, so that no call can begin before the last has ended.
  (func (export "sinf") (param $n i32) (local $x f32)
    (local.set $x (f32.const 1))
    (loop $next
      (local.set $x (call $sinf (f32.add (local.get $x) (f32.const 0.5))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "pow") (param $n i32) (local $x f64)
    (local.set $x (f64.const 1))
    (loop $next
      (local.set $x (call $pow (f64.add (local.get $x) (f64.const 0.5)) (f64.const 0.7)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
