;; Calls into the host, and what the host calls back.
(module
  (import "env" "note" (func $note (param i32 f32) (result f32)))
  (import "env" "turn" (func $turn (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)))
  (import "env" "enter" (func $enter (param i32) (result i32)))
  (import "env" "silent" (func $silent))
  (memory (export "memory") 1 2)
  (global (export "depth") (mut i32) (i32.const 0))

  (func (export "note") (param i32 f32) (result f32)
    (f32.add (call $note (local.get 0) (local.get 1)) (f32.const 0.5)))
  (func (export "turn") (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)
    (call $turn (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
  ;; 1 more than what the host answers.
  (func (export "enter") (param i32) (result i32)
    (i32.add (call $enter (local.get 0)) (i32.const 1)))
  (func (export "silent") (call $silent))
  (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "trap") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
)
