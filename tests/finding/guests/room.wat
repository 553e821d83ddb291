;; A room by convolution, one channel: a costly effect, a fifth of its time on many machines. Input at 1024, output at 17408,
;; the past at 65536, 4096 taps at 131072.
(module
  (memory (export "memory") 4 4)
  (func $fill
    (local $at i32)
    (local.set $at (i32.const 131072))
    (loop $next
      (f32.store (local.get $at) (f32.const 0.0002))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 147456)))))
  (start $fill)
  (func (export "input") (param $channel i32) (result i32)
    (select (i32.const 0) (i32.const 1024) (local.get $channel)))
  (func (export "reset")
    (memory.fill (i32.const 65536) (i32.const 0) (i32.const 32768)))
  (func (export "process") (param $frames i32)
    (local $bytes i32) (local $n i32) (local $k i32) (local $sum f32)
    (local.set $bytes (i32.shl (local.get $frames) (i32.const 2)))
    ;; The past moves on by a block.
    (memory.copy (i32.const 65536) (i32.add (i32.const 65536) (local.get $bytes)) (i32.const 16384))
    (memory.copy (i32.const 81920) (i32.const 1024) (local.get $bytes))
    (loop $frame
      (local.set $sum (f32.const 0))
      (local.set $k (i32.const 0))
      (loop $tap
        (local.set $sum (f32.add (local.get $sum)
          (f32.mul
            (f32.load offset=131072 (local.get $k))
            (f32.load offset=65536 (i32.add (local.get $k) (local.get $n))))))
        (local.set $k (i32.add (local.get $k) (i32.const 4)))
        (br_if $tap (i32.lt_u (local.get $k) (i32.const 16384))))
      (f32.store offset=17408 (local.get $n) (local.get $sum))
      (local.set $n (i32.add (local.get $n) (i32.const 4)))
      (br_if $frame (i32.lt_u (local.get $n) (local.get $bytes))))))
