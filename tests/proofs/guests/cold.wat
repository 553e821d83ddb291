;; Everything a call may touch, more than a page of each: what prepare has to make present.
(module
  (memory (export "memory") 64)
  (memory $hidden 64)
  (table $table (export "table") 100000 funcref)
  (table $hidden_table 100000 funcref)
  (elem declare func $leaf)
  (data $passive "passive")
  (func $leaf)
  ;; Writes one byte to every page.
  (func (export "memory_pages") (param $pages i32)
    (local $at i32)
    (loop $next
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (local.get $pages) (i32.const 12))))))
  (func (export "hidden_memory_pages") (param $pages i32)
    (local $at i32)
    (loop $next
      (i32.store8 $hidden (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (local.get $pages) (i32.const 12))))))
  ;; Sets every 256th entry.
  (func (export "table_pages") (param $pages i32)
    (local $at i32)
    (loop $next
      (table.set $table (local.get $at) (ref.func $leaf))
      (local.set $at (i32.add (local.get $at) (i32.const 256)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (local.get $pages) (i32.const 8))))))
  (func (export "hidden_table_pages") (param $pages i32)
    (local $at i32)
    (loop $next
      (table.set $hidden_table (local.get $at) (ref.func $leaf))
      (local.set $at (i32.add (local.get $at) (i32.const 256)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (local.get $pages) (i32.const 8))))))
  ;; Takes the passive segment in.
  (func (export "passive") (param i32)
    (memory.init $passive (i32.const 64) (i32.const 0) (i32.const 7)))
  ;; Goes down `depth` frames, each with many live values.
  (func $down (export "down") (param $depth i32)
    (if (local.get $depth)
      (then (call $down (i32.sub (local.get $depth) (i32.const 1)))))))
