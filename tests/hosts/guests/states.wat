;; What a host's states are tried on: arithmetic, every way to end early, and the way into the host and back.
(module
  (import "env" "visit" (func $visit (param i32) (result i32)))
  (memory (export "memory") 1 4)
  (table (export "entries") 2 2 funcref)
  (elem (i32.const 0) $work $goes)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "spin") (loop $again (br $again)))
  (func (export "outside") (result i32) (i32.load (i32.const 0x7ffffff0)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "unreachable") unreachable)
  (func $recurse (export "recurse") (param i32) (result i32)
    (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $goes (export "visit") (param i32) (result i32) (call $visit (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))

  ;; Work for a while: a sum that depends on every step.
  (func $work (export "work") (param $steps i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (local.get $steps)))
      (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
      (br_if $again (local.get $steps)))
    (local.get $sum))

  ;; Floating point: one operation each.
  (func (export "f32_mul") (param f32 f32) (result f32) (f32.mul (local.get 0) (local.get 1)))
  (func (export "f64_div") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "f64_sqrt") (param f64) (result f64) (f64.sqrt (local.get 0)))
  (func (export "f64_nearest") (param f64) (result f64) (f64.nearest (local.get 0)))
  (func (export "f32_demote") (param f64) (result f32) (f32.demote_f64 (local.get 0)))
  (func (export "f32_convert") (param i32) (result f32) (f32.convert_i32_s (local.get 0)))
  (func (export "i32_trunc_sat") (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))
  ;; The same quotient before and after a visit to the host.
  (func (export "f64_div_around") (param f64 f64) (result f64 f64)
    (f64.div (local.get 0) (local.get 1))
    (drop (call $visit (i32.const 0)))
    (f64.div (local.get 0) (local.get 1)))
  (func (export "f32_mul_around") (param f32 f32) (result f32 f32)
    (f32.mul (local.get 0) (local.get 1))
    (drop (call $visit (i32.const 0)))
    (f32.mul (local.get 0) (local.get 1)))
)
