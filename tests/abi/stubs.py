"""A program part with a stub for every function of a header, for tools that compare binaries: `stubs.py HEADER`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "header"))
from cheader import parse  # noqa: E402 (it is found there)


def main(header):
    print(f'#include "{os.path.basename(header)}"')
    for item in parse(header):
        if item.kind == "function":
            print(item.text.rstrip(";").replace("RTW_NONBLOCKING", "").strip(), "{ __builtin_trap(); }")


main(*sys.argv[1:])
