#!/usr/bin/env python3
"""Writes a guest with so many functions that its code is as large as wanted: `guest.py FUNCTIONS OUT.wasm` or `OUT.c`, the same.

Each function reads its memory, which is zero there, mixes the first of its arguments, and writes it where run(x, y), which is the first
function, does not read: memory that was read only would be one page of zeros, which all instances share. trap() traps.
With 0 functions there is no memory, and run(x, y) returns x."""
import sys

STEPS = 40
MEMORY_BYTES = 65536
WRITTEN = 2048


def steps(function):
    """What the argument is multiplied by, and the address, before the argument is added, of what is added to the product."""
    return [(1001 + 2 * (function * 7 + step), 4 * ((function * 13 + step) % 1000)) for step in range(STEPS)]


def c_source(functions):
    if functions == 0:
        return b"#include <stdint.h>\nint32_t run(int32_t a, int32_t b) { (void)b; return a; }\nvoid trap(void) { __builtin_trap(); }\n"
    lines = ["#include <stdint.h>", "#include <string.h>", f"unsigned char memory[{MEMORY_BYTES}];",
             "static inline uint32_t at(uint32_t x) { uint32_t v; memcpy(&v, memory + x, sizeof v); return v; }"]
    for function in range(functions):
        name = "run" if function == 0 else f"f{function}"
        body = " ".join(f"x = x * {factor}u + at((x & 1020) + {offset});" for factor, offset in steps(function))
        lines.append(f"int32_t {name}(int32_t a, int32_t b) {{ uint32_t x = (uint32_t)a; (void)b; {body} "
                     f"memcpy(memory + {WRITTEN}, &x, sizeof x); return (int32_t)x; }}")
    return "\n".join([*lines, "void trap(void) { __builtin_trap(); }", ""]).encode()


def unsigned(number):
    """LEB128."""
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + unsigned(number >> 7)


def constant(number):
    """i32.const, of a number that is not negative: its last byte has the sign bit clear."""
    encoded = unsigned(number)
    return b"\x41" + (encoded if encoded[-1] < 0x40 else encoded[:-1] + bytes([encoded[-1] | 0x80, 0]))


def sized(content):
    return unsigned(len(content)) + content


def section(kind, items):
    return bytes([kind]) + sized(unsigned(len(items)) + b"".join(items))


def exported(name, kind, index):
    return sized(name.encode()) + bytes([kind]) + unsigned(index)


def module(functions):
    get, set_, mul, add, and_, end = b"\x20\x00", b"\x21\x00", b"\x6c", b"\x6a", b"\x71", b"\x0b"
    codes = [] if functions else [sized(b"\x00" + get + end)]
    for function in range(functions):
        body = b"".join(
            get + constant(factor) + mul + get + constant(1020) + and_ + b"\x28\x02" + unsigned(offset) + add + set_
            for factor, offset in steps(function)
        )
        codes.append(sized(b"\x00" + body + constant(WRITTEN) + get + b"\x36\x02\x00" + get + end))
    codes.append(sized(b"\x00\x00" + end))
    i32 = b"\x7f"
    count = max(functions, 1)
    memory = [section(5, [b"\x01\x01\x01"])] if functions else []
    return b"\0asm\x01\0\0\0" + b"".join([
        section(1, [b"\x60\x02" + i32 + i32 + b"\x01" + i32, b"\x60\x00\x00"]),
        section(3, [b"\x00"] * count + [b"\x01"]),
        *memory,
        section(7, [exported("run", 0, 0), exported("trap", 0, count)]),
        section(10, codes),
    ])


if __name__ == "__main__":
    with open(sys.argv[2], "wb") as out:
        out.write((module if sys.argv[2].endswith(".wasm") else c_source)(int(sys.argv[1])))
