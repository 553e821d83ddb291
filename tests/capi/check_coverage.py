#!/usr/bin/env python3
"""Holds the tests against the header: `check_coverage.py functions HEADER OBJECT...`, `check_coverage.py statuses HEADER FILE ROOT`.

A function counts as tested when a test program's object file refers to it; a status, when a test expected it and saw it. A status
may be left out for a reason, and the reason has to be so."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "header"))
from cheader import parse  # noqa: E402 (it is found there)

# Seen by another suite: the folder below ROOT whose tests name it.
ELSEWHERE = {"RTW_ERR_WASM": "cli/tests", "RTW_ERR_PROPOSAL": "tests/cli"}


def unfounded(found, root):
    """What is left out without reason."""
    for status in sorted(found & set(ELSEWHERE)):
        yield f"{status} is seen here"
    for status, folder in ELSEWHERE.items():
        if not any(status in file.read_text(encoding="utf-8") for file in (root / folder).glob("*.[cr]*")):
            yield f"{status} is not seen in {folder}"


def main():
    kind, header, *rest = sys.argv[1:]
    items = parse(header)
    if kind == "functions":
        wanted = {item.name for item in items if item.kind == "function"}
        listing = subprocess.run(["nm", "-u", *rest], check=True, capture_output=True, text=True).stdout
        found = set(re.findall(r"\bU (rtw_\w+)", listing))
    else:
        wanted = {item.name for item in items if re.fullmatch(r"RTW_OK|RTW_ERR_\w+", item.name)} - set(ELSEWHERE)
        found = set(open(rest[0], encoding="utf-8").read().split())
        wrong = list(unfounded(found, Path(rest[1])))
        if wrong:
            sys.exit("left out without reason: " + "; ".join(wrong))
    missing = sorted(wanted - found)
    if not wanted or missing:
        sys.exit(f"{len(wanted)} {kind}, untested: {' '.join(missing)}")
    print(f"{len(wanted)} {kind}, all tested")


main()
