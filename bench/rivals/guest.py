#!/usr/bin/env python3
"""Writes a module with so many functions that the result is as large as wanted: `guest.py FUNCTIONS [RESULT]`.

Each function reads its memory, which is zero, and mixes the argument; run(x) calls the first, and trap() traps. With RESULT, prints
run(3) instead."""
import sys

STEPS = 40


def factor(function, step):
    return 1001 + 2 * (function * 7 + step)


def module(functions):
    lines = ['(module (memory (export "memory") 1 1)']
    for function in range(functions):
        body = " ".join(
            f"(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const {factor(function, step)}))"
            f" (i32.load offset={4 * ((function * 13 + step) % 1000)} (i32.and (local.get 0) (i32.const 1020)))))"
            for step in range(STEPS)
        )
        name = '(export "run")' if function == 0 else ""
        lines.append(f"(func {name} (param i32) (result i32) {body} (local.get 0))")
    lines.append('(func (export "trap") (unreachable))')
    return "\n".join(lines) + ")"


def result(argument):
    for step in range(STEPS):
        argument = argument * factor(0, step) & 0xFFFFFFFF
    return argument - (1 << 32 if argument >> 31 else 0)


if __name__ == "__main__":
    print(result(3) if len(sys.argv) > 2 else module(int(sys.argv[1])))
