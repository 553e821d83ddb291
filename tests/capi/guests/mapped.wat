;; Memory that the host maps files into; the data segment lies where a test maps one.
(module
  (memory (export "memory") 3 16)
  (memory $other (export "other") 1 1)
  (data (i32.const 65536) "\11\22\33\44")
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "load_other") (param i32) (result i32) (i32.load $other (local.get 0)))
  ;; Writes to each page of 4 KiB.
  (func (export "touch") (param i32 i32)
    (loop $next
      (i32.store (local.get 0) (local.get 1))
      (local.set 0 (i32.add (local.get 0) (i32.const 4096)))
      (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
      (br_if $next (local.get 1))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "trap") unreachable))
