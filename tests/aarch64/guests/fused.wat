;; Writes results of the relaxed multiply-and-add instructions to memory: a product may be rounded before it is added, and NaNs come out as
;; the processor makes them.
(module
  (memory (export "memory") 1 1)
  (global $at (mut i32) (i32.const 0))
  (func $out (param v128) (v128.store (global.get $at) (local.get 0)) (global.set $at (i32.add (global.get $at) (i32.const 16))))
  (data (i32.const 32768)
    "\00\01\02\03\0f\10\11\1f\20\7f\80\81\8f\c0\f0\ff"   ;; indices, in range and not; masks that are neither
    "\00\00\00\00\00\00\00\80\00\00\c0\7f\00\00\80\ff"   ;; 0, -0, NaN, -infinity
    "\00\00\00\80\00\00\00\00\00\00\80\3f\00\00\c0\ff"   ;; -0, 0, 1, -NaN
    "\01\00\80\3f\ff\ff\7f\3f\cd\cc\cc\3d\00\00\00\4f"   ;; 1 and an ulp, 1 less an ulp, 0.1, 2^31
    "\02\00\80\bf\fe\ff\7f\bf\0a\d7\23\3c\00\00\80\4f"   ;; about -1, 0.01, 2^32
    "\00\80\00\80\ff\7f\ff\ff\00\80\01\00\00\40\34\12"   ;; -32768 and others
    "\ff\ff\ff\ff\ff\ff\ef\41\00\00\00\00\00\00\f0\c1"   ;; as f64: 2^32 and so, -2^32
    "\80\80\80\80\7f\7f\7f\7f\ff\01\80\7f\fe\81\55\aa")  ;; bytes with and without the highest bit
  (func (export "init") (global.set $at (i32.const 0)))
  (func (export "run")
    (local $i i32) (local $j i32) (local $a v128) (local $b v128) (local $c v128)
    (global.set $at (i32.const 0))
    (loop $first
      (local.set $a (v128.load offset=32768 (i32.shl (local.get $i) (i32.const 4))))
      (local.set $j (i32.const 0))
      (loop $second
        (local.set $b (v128.load offset=32768 (i32.shl (local.get $j) (i32.const 4))))
        (local.set $c (v128.load offset=32768 (i32.shl (i32.and (i32.add (local.get $i) (i32.const 3)) (i32.const 7)) (i32.const 4))))
        (call $out (f32x4.relaxed_madd (local.get $a) (local.get $b) (local.get $c)))
        (call $out (f32x4.relaxed_nmadd (local.get $a) (local.get $b) (local.get $c)))
        (call $out (f64x2.relaxed_madd (local.get $a) (local.get $b) (local.get $c)))
        (call $out (f64x2.relaxed_nmadd (local.get $a) (local.get $b) (local.get $c)))
        (br_if $second (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 8))))
      (br_if $first (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8)))))
  (func (export "checksum") (result i32) (global.get $at)))
