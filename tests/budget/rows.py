"""Writes out the rows of a module in text form: ROW(n, x) becomes x, n times."""

import re
import sys


def parts(text):
    while True:
        start = re.search(r"ROW\((\d+), ", text)
        if start is None:
            yield text
            return
        yield text[: start.start()]
        at, depth = start.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        yield text[start.end() : at - 1] * int(start[1])
        text = text[at:]


code = re.sub(r"^;;.*$", "", open(sys.argv[1], encoding="utf-8").read(), flags=re.M)
sys.stdout.write("".join(parts(code)))
