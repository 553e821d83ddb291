;; For calls on all kinds of stacks.
(module
  (import "env" "inside" (func $inside))
  (memory (export "memory") 1 4)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $recurse (export "recurse") (param i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
  ;; Goes so deep, and calls the host and the engine there.
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (call $inside) (i32.sub (memory.grow (i32.const 0)) (memory.size)))))
  (func (export "inside") (call $inside))
)
