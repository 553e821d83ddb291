#!/usr/bin/env python3
"""Compares two files of floats.
  compare.py same A B         prints the number of floats; 1 if the files differ in a bit, NaNs apart
  compare.py distance A B     prints the largest difference of two samples beside the largest sample of A, in dB; "same" if there is
                              none, "not-finite" if a sample is none"""
import array
import math
import sys


def read(path):
    floats = array.array("f")
    with open(path, "rb") as file:
        floats.frombytes(file.read())
    return floats


def main():
    how, first, second = sys.argv[1], read(sys.argv[2]), read(sys.argv[3])
    if len(first) != len(second):
        print(f"{len(first)} floats, and {len(second)}")
        return 1
    if how == "same":
        if first.tobytes() == second.tobytes():
            print(len(first))
            return 0
        differs = [n for n, (a, b) in enumerate(zip(first, second)) if not (a == b and math.copysign(1, a) == math.copysign(1, b))
                   and not (math.isnan(a) and math.isnan(b))]
        if differs:
            n = differs[0]
            print(f"{len(differs)} of {len(first)} floats differ, first {n}: {first[n]!r} and {second[n]!r}")
            return 1
        print(len(first))
        return 0
    if not all(map(math.isfinite, first)) or not all(map(math.isfinite, second)):
        print("not-finite")
        return 0
    furthest = max((abs(a - b) for a, b in zip(first, second)), default=0)
    loudest = max(map(abs, first), default=0)
    print("same" if furthest == 0 else f"{20 * math.log10(furthest / max(loudest, 1e-30)):.0f}")
    return 0


sys.exit(main())
