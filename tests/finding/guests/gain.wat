;; A loop as effects have it: what checks in the code cost shows in it.
(module
  (memory (export "memory") 2 2)
  (func (export "gain") (param $rounds i32)
    (local $at i32)
    (loop $round
      (local.set $at (i32.const 0))
      (loop $next
        (f32.store (local.get $at) (f32.mul (f32.load (local.get $at)) (f32.const 0.5)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 65536))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $round (local.get $rounds)))))
