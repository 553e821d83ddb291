#!/bin/sh
# Writes the text of a module with about 1 MiB of code and 1000 globals, all of which its function "all" goes through.
awk 'BEGIN {
    functions = 500
    print "(module"
    for (g = 0; g < 1000; g++) printf "(global $g%d (mut i64) (i64.const %d))\n", g, g
    for (f = 0; f < functions; f++) {
        printf "(func $f%d (param i32)\n", f
        for (line = 0; line < 60; line++) {
            g = (f * 60 + line) % 1000
            printf "(global.set $g%d (i64.xor (i64.rotl (global.get $g%d) (i64.extend_i32_u (local.get 0))) (i64.const %d)))\n", \
                g, (g + 37) % 1000, f * 7919 + line * 104729 + 4294967296
        }
        print ")"
    }
    print "(func (export \"all\") (param i32)"
    for (f = 0; f < functions; f++) printf "(call $f%d (local.get 0))\n", f
    print "))"
}'
