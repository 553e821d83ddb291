;; Fetches its buffers in its first call, and touches every page of them: what prepare is there for.
(module
  (memory (export "memory") 1)
  (global $ready (mut i32) (i32.const 0))
  (func $fetch
    (local $at i32)
    (drop (memory.grow (i32.const 256)))
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 16842752))))
    (global.set $ready (i32.const 1)))
  (func (export "process") (param $frames i32)
    (local $n i32)
    (if (i32.eqz (global.get $ready)) (then (call $fetch)))
    (local.set $n (local.get $frames))
    (loop $next
      (i32.store (i32.shl (local.get $n) (i32.const 2)) (local.get $n))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))))
