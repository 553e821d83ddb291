#!/usr/bin/env python3
"""Makes a Markdown table of the rows that tests/support/row.h writes, or compares it with the one in a document.

table.py make ROWS NAMES TABLE    rows of both profiles into one table, in the order of the file NAMES (name and first cell, apart by a |)
table.py same TABLE DOCUMENT      succeeds if the document has the table; times may differ, and a guest that was left out is not compared
"""
import sys
from pathlib import Path

HEAD = ["guest", "imports", "result", "standalone, µs", "plugin, µs"]
TIMES = 2


def make(rows, names, table):
    measured = {}
    for line in Path(rows).read_text().splitlines():
        name, profile, imports, result, time = line.split("|")
        measured.setdefault(name, {})[profile] = (imports, result, time)
    lines = [HEAD, ["---"] * len(HEAD)]
    for line in Path(names).read_text().splitlines():
        name, first = line.split("|")
        if name not in measured:
            continue
        imports, result, time = measured[name]["standalone"]
        plugin = measured[name]["plugin"]
        if plugin[:2] != (imports, result):
            sys.exit(f"{name}: the profiles differ: {result} and {plugin[1]}")
        lines.append([first, imports, result, time, plugin[2]])
    if len(lines) == 2:
        sys.exit("no guest has rows")
    Path(table).write_text("".join("| " + " | ".join(cells) + " |\n" for cells in lines))


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def same(table, document):
    documented = {row[0]: row for row in map(cells, Path(document).read_text().splitlines()) if len(row) == len(HEAD)}
    differing = []
    for row in map(cells, Path(table).read_text().splitlines()[2:]):
        there = documented.get(row[0])
        if there is None:
            differing.append(f"{row[0]}: {document} has no such row")
        elif there[:-TIMES] != row[:-TIMES]:
            differing.append(f"{row[0]}: {row[:-TIMES]} here, {there[:-TIMES]} in {document}")
    if differing:
        sys.exit("\n".join(differing))


if __name__ == "__main__":
    {"make": make, "same": same}[sys.argv[1]](*sys.argv[2:])
