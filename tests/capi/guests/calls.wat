;; Values of every type in and out, a memory that grows, globals and a table.
(module
  (memory (export "memory") 1 4)
  (data (i32.const 16) "rtwasm")
  (table (export "table") 3 3 funcref)
  (global (export "g_i32") (mut i32) (i32.const -7))
  (global (export "g_i64") (mut i64) (i64.const 1311768467463790320))
  (global (export "g_f32") (mut f32) (f32.const 1.5))
  (global (export "g_f64") (mut f64) (f64.const -2.25))
  (global (export "g_v128") (mut v128) (v128.const i32x4 1 2 3 4))
  (global (export "g_const") i32 (i32.const 42))
  (global (export "g_ref") (mut funcref) (ref.null func))
  (global $count (mut i32) (i32.const 0))

  (func (export "nothing"))
  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func (export "add64") (param i64 i64) (result i64)
    (i64.add (local.get 0) (local.get 1)))
  (func (export "mul32") (param f32 f32) (result f32)
    (f32.mul (local.get 0) (local.get 1)))
  (func (export "mul64") (param f64 f64) (result f64)
    (f64.mul (local.get 0) (local.get 1)))
  (func (export "add_lanes") (param v128 v128) (result v128)
    (f32x4.add (local.get 0) (local.get 1)))
  (func (export "turn") (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)
    (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "three") (result i32 i64 f32)
    (i32.const 1) (i64.const 2) (f32.const 3))
  (func (export "sum10") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    local.get 0 local.get 1 i32.add local.get 2 i32.add local.get 3 i32.add local.get 4 i32.add
    local.get 5 i32.add local.get 6 i32.add local.get 7 i32.add local.get 8 i32.add local.get 9 i32.add)

  ;; How often it was called.
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "get_i32") (result i32) (global.get 0))

  (func (export "load8") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store8") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "pages") (result i32) (memory.size))

  ;; Says at address 0 that it is here, then waits until address 4 is not 0.
  (func (export "wait") (result i32)
    (i32.atomic.store (i32.const 0) (i32.const 1))
    (loop $again
      (br_if $again (i32.eqz (i32.atomic.load (i32.const 4)))))
    (i32.atomic.store (i32.const 0) (i32.const 0))
    (i32.atomic.load (i32.const 4)))

  (func (export "takes_ref") (param funcref))
  (func (export "gives_ref") (result funcref) (ref.null func))
)
