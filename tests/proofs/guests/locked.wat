;; A guest whose calls touch what lies outside its memory: globals, a table of 80 KiB, the host.
(module $locked
  (import "env" "visit" (func $visit (param i32) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (memory (export "memory") 1 1)
  (global $count (mut i64) (i64.const 0))
  (global $last (export "last") (mut i32) (i32.const 0))
  (global $lanes (mut v128) (v128.const i32x4 0 0 0 0))
  (table $table 10000 funcref)

  (func $next (export "next") (param i32) (result i32)
    (i32.store (i32.const 16) (local.get 0))
    (i32.add (local.get 0) (i32.const 1)))
  ;; Fills the table and calls through each of its entries; sets the globals.
  (func (export "work") (param i32) (result i32)
    (local $at i32)
    (loop $all
      (table.set $table (local.get $at) (ref.func $next))
      (local.set 0 (call_indirect $table (type $unary) (local.get 0) (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $all (i32.lt_u (local.get $at) (i32.const 10000))))
    (global.set $last (local.get 0))
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (global.set $lanes (i32x4.splat (local.get 0)))
    (local.get 0))
  ;; The host calls `next`.
  (func (export "ask") (param i32) (result i32)
    (call $visit (local.get 0)))
  (func (export "fail") (param i32) (result i32)
    (unreachable))
  (elem declare func $next))
