#!/usr/bin/env python3
"""What the budget guard costs the compiler: processor time and memory with and without it, in turn, for modules whose shape is hard
for it. Prints the median of each and the ratio, for each profile.

    bench/compile.py RTWASM FOLDER [ROUNDS [PART]]     RTWASM is the command; modules and artifacts go to FOLDER
                                                       PART: only modules whose name has this in it, those of LONG too
"""
import os
import statistics
import sys


def number(value):
    """An unsigned number as the binary format has it."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def section(kind, content):
    return bytes([kind]) + number(len(content)) + content


def vector(items):
    return number(len(items)) + b"".join(items)


def body(code, locals_=b"\x00"):
    code = locals_ + code + b"\x0b"
    return number(len(code)) + code


def module(bodies, table=0):
    """Functions of type ()->(); with a table of `table` entries that holds the last of them."""
    count = len(bodies)
    sections = [section(1, vector([b"\x60\x00\x00"])), section(3, vector([b"\x00"] * count))]
    if table:
        sections.append(section(4, vector([b"\x70\x00" + number(table)])))
    sections.append(section(7, vector([b"\x03run\x00" + number(0)])))
    if table:
        functions = vector([number(index) for index in range(count - table, count)])
        sections.append(section(9, vector([b"\x00\x41\x00\x0b" + functions])))
    sections.append(section(10, vector(bodies)))
    return b"\x00asm\x01\x00\x00\x00" + b"".join(sections)


CALL = b"\x41\x00\x11\x00\x00"  # i32.const 0, call_indirect of ()->()
# loop: local 0 less 1 until it is 0
SHORT_LOOP = b"\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b"
# loop: until local 0 is 0, and nothing else
SHORTEST_LOOP = b"\x03\x40\x20\x00\x0d\x00\x0b"
ONE_I32 = b"\x01\x01\x7f"

MODULES = {
    "50,000 functions, each calling through one table": lambda: module([body(CALL)] * 50_000, 50_000),
    "30,000 calls through a table of 30,000 in one function": lambda: module([body(CALL * 30_000)] + [body(b"")] * 30_000, 30_000),
    "3,000 short loops in one function": lambda: module([body(SHORT_LOOP * 3_000, ONE_I32)]),
    "10,000 short loops in one function": lambda: module([body(SHORT_LOOP * 10_000, ONE_I32)]),
    "10,000 loops with nothing in them": lambda: module([body(SHORTEST_LOOP * 10_000, ONE_I32)]),
}
# Compiling these takes minutes, without the guard too: the code generator's time grows with the square of the length.
LONG = {
    "30,000 short loops in one function": lambda: module([body(SHORT_LOOP * 30_000, ONE_I32)]),
    "100,000 short loops in one function": lambda: module([body(SHORT_LOOP * 100_000, ONE_I32)]),
}
# Options that lift the compiler's limits.
WITHOUT_LIMITS = ["--max-time-ms", str(24 * 3600 * 1000), "--max-branches", str(2**32 - 1), "--max-function-bytes", str(2**32 - 1)]


def measure(arguments):
    """Processor time in s and the largest resident size in MiB of one run."""
    child = os.posix_spawn(arguments[0], arguments, os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(arguments)}: exit status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    command, folder = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    part = sys.argv[4] if len(sys.argv) > 4 else None
    modules = MODULES if part is None else {name: make for name, make in (MODULES | LONG).items() if part in name}
    os.makedirs(folder, exist_ok=True)
    print(f"Compiling with and without the budget guard, {rounds} times in turn: medians of processor time and resident memory")
    print(f"{'':56}{'off':>18}{'guard':>18}{'ratio':>14}")
    for at, (name, make) in enumerate(modules.items()):
        path = f"{folder}/compile-{at}.wasm"
        with open(path, "wb") as file:
            file.write(make())
        for profile in "standalone", "plugin":
            runs = {"off": [], "guard": []}
            for _ in range(rounds):
                for budget, figures in runs.items():
                    options = ["--profile", profile, "--budget", budget, *WITHOUT_LIMITS]
                    figures.append(measure([command, "compile", "--quiet", *options, path, "-o", f"{path}.rtw"]))
            off, guard = ([statistics.median(run[i] for run in figures) for i in (0, 1)] for figures in runs.values())
            print(f"{name + ', ' + profile:66}"[:66].rstrip())
            print(f"{'':56}{off[0]:7.2f} s {off[1]:5.0f} MiB{guard[0]:7.2f} s {guard[1]:5.0f} MiB{guard[0] / off[0]:6.2f} {guard[1] / off[1]:6.2f}")
            os.remove(f"{path}.rtw")


main()
