#!/usr/bin/env python3
"""Compares the table of docs/abi.md that names each function's users with the libraries: users.py PAGE LIBRARY...

Each exported function is in one row; each row has a user; each file that a row names, below the current folder, holds each function of
that row; each planned user is one that the page describes. Prints what is wrong."""
import re
import subprocess
import sys
from pathlib import Path

INIT_SIZED = "the `_init_sized` functions"


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name for name in (line.split()[-1] for line in lines) if name.startswith("rtw_")}


def rows(page):
    """The rows of the table: functions, users."""
    section = page[page.index("## Who needs what"):]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and not set(cells[1]) <= set("-") and cells[1] != "functions":
            yield cells[1], cells[3]


def look(page, wanted):
    planned = set(re.findall(r"\*\*([^*]+)\*\*", page))
    seen = set()
    for cell, users in rows(page):
        functions = sorted(name for name in wanted if name.endswith("_init_sized")) if cell == INIT_SIZED else re.findall(r"`(\w+)`", cell)
        yield from (f"{name} is in two rows" for name in functions if name in seen)
        yield from (f"{name} is no exported function" for name in functions if name not in wanted)
        seen.update(functions)
        existing, _, future = users.partition("planned:")
        files = re.findall(r"`([^`]+)`", existing)
        if not files and not future:
            yield f"{cell}: no user"
        for file in files:
            if not Path(file).is_file():
                yield f"{file} is not there"
                continue
            text = set(re.findall(r"\brtw_\w+", Path(file).read_text()))
            yield from (f"{file} does not use {name}" for name in functions if name not in text)
        if future and not any(name in future for name in planned):
            yield f"{cell}: {future.strip()} is no planned user of the page"
    yield from (f"{name} has no row" for name in sorted(wanted - seen))


def main():
    page, libraries = Path(sys.argv[1]).read_text(), sys.argv[2:]
    wanted = set().union(*map(exported, libraries))
    wrong = list(look(page, wanted)) if wanted else ["the libraries export nothing"]
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
