#!/usr/bin/env python3
"""Writes a module whose br_table has many targets: `far.py COUNT`. Its exports say which way two indices go: 11 is right of the first, 22 of
the first that has no target."""
import sys

count = int(sys.argv[1])
print(f"""(module
  (func $way (param $index i32) (result i32)
    (block $default
      (block $listed (br_table{' $listed' * count} $default (local.get $index)))
      (return (i32.const 11)))
    (i32.const 22))
  (func (export "listed") (result i32) (call $way (i32.const 0)))
  (func (export "default") (result i32) (call $way (i32.const {count}))))""")
