#!/usr/bin/env python3
"""Holds the tests against the header: `check_coverage.py functions HEADER OBJECT...`, `check_coverage.py statuses HEADER FILE`.

A function counts as tested when a test program's object file refers to it; a status, when a test expected it and saw it."""
import re
import subprocess
import sys

# Statuses of the header that this library cannot answer, or cannot be made to.
NOT_HERE = {
    "RTW_ERR_WASM": "the compiler's",
    "RTW_ERR_PROPOSAL": "the compiler's",
    "RTW_ERR_BUDGET": "no function answers it yet",
    "RTW_ERR_POISONED": "follows an internal error",
    "RTW_ERR_INTERNAL": "a defect",
}


def main():
    kind, header, *rest = sys.argv[1:]
    text = open(header, encoding="utf-8").read()
    if kind == "functions":
        # Inline functions are the header's own; what they call is the library's.
        exported = re.sub(r"/\*.*?\*/|^static inline .*?^}", "", text, flags=re.S | re.M)
        wanted = set(re.findall(r"\b(rtw_\w+)\(", exported))
        listing = subprocess.run(["nm", "-u", *rest], check=True, capture_output=True, text=True).stdout
        found = set(re.findall(r"\bU (rtw_\w+)", listing))
    else:
        wanted = set(re.findall(r"^#define (RTW_OK|RTW_ERR_\w+) ", text, flags=re.M)) - set(NOT_HERE)
        found = set(open(rest[0], encoding="utf-8").read().split())
    missing = sorted(wanted - found)
    if not wanted or missing:
        sys.exit(f"{len(wanted)} {kind}, untested: {' '.join(missing)}")
    print(f"{len(wanted)} {kind}, all tested")


main()
