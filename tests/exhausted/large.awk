# Writes a guest that has much of everything: imports, functions and exports with long names, globals, a large table, a segment.
BEGIN {
    print "(module"
    for (i = 0; i < 200; i++) printf "  (import \"env\" \"a_function_of_the_host_with_the_number_%d\" (func (param i32)))\n", i
    print "  (memory (export \"memory\") 1 1)"
    print "  (table (export \"table\") 200000 funcref)"
    for (i = 0; i < 2000; i++) printf "  (global (export \"a_global_with_a_long_name_and_the_number_%d\") (mut i64) (i64.const %d))\n", i, i
    for (i = 0; i < 3000; i++) printf "  (func $f%d (export \"a_function_with_a_long_name_and_the_number_%d\") (param i32) (result i32) (i32.add (local.get 0) (i32.const %d)))\n", i, i, i
    printf "  (elem func"
    for (i = 0; i < 3000; i++) printf " $f%d", i
    print "))"
}
