#!/usr/bin/env python3
"""Holds documents and comments to a readable form: `prose.py ROOT [FOLDER]`, of all tracked files, or of those below FOLDER.

Prose in Markdown and comments in the sources have at most MAX_COLUMNS columns, and none of the phrases below, each of which has a
plainer word. Prints each line that has more or one of these, then counts: one check a file."""
import os
import re
import subprocess
import sys
from pathlib import Path

MAX_COLUMNS = 140

BEGINS = "\0"

# Phrases that had to be read twice, and what to write instead.
PHRASES = {
    r"\b[Ss]o many\b": "the number: N, as many as …, or its name",
    r"\b[Tt]hat many\b": "the number, or its name",
    r"\b[Ss]hall\b": "the field, or has to",
    r"\bhas got\b": "has, or was given",
    r"\bwritten for\b": "supported",
    r"\bby the way\b": "as a side effect",
    r"\bfor ever\b": "endlessly, always",
    r"\b[Ww]here asked\b": "if the configuration says so, if asked to",
    r"\bwhy so\b": "why",
    r"\bgone by\b|\bgoes by\b": "passed, passes",
    r"\bis told of\b|\btells? of\b": "is reported, reports",
    BEGINS + r"The same(,| (as|for|with|of|where|without|within|when)\b)": "what it is: a comment is read alone",
    r"\bWhoever\b": "the thread, the caller, the function",
    r"\bSomebody who\b": "a reader, a caller",
    BEGINS + r"(What|How|Whether)\b": "the noun, or a verb and its object: The place of …, Returns …, True if …",
    r"\b(is|are|was|were) (told|answered)\b": "is reported, is returned",
    r"\banswers? RTW_": "returns",
    r"\banswer(s|ed by) (each|its|an|the) imports?\b|\banswered by rtw_": "provides, provided by",
    r"\b(gives?|given|gave|puts?|put) back\b": "returns, releases, frees, restores",
    r"\bto be had\b": "there is, is available",
    r"\b[Oo]ne's own\b": "your own, its own",
    r"\bcomes? to (its|their|an) ends?\b": "ends",
    r"\b[Aa]s far as\b": "if, up to, as much as",
    r"\b[Ff]or so long\b": "for this time",
    r"\b(goes|go|went) well\b": "succeeds, succeed",
    r"\bby (the caller|its caller)'s word\b": "as the caller promises",
}


def texts(path, lines):
    """Number and text of each line of prose in a file, with a mark before what begins a comment, and whether its length counts."""
    if path.suffix == ".md":
        fenced = False
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                fenced = not fenced
            elif not fenced and not line.startswith("    "):
                # Rows quote the names of tests' checks.
                text = re.sub(r'"[^"]*"', '""', line) if line.startswith("|") else line
                yield number, text.strip(), not line.startswith("|") and "](" not in line
        return
    if path.suffix in (".c", ".h", ".cpp", ".rs"):
        inside = before = False
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if inside or text.startswith("/*"):
                yield number, ("" if inside else BEGINS) + text.strip("/* "), True
                inside = "*/" not in text
            elif text.startswith("//"):
                yield number, ("" if before else BEGINS) + text.lstrip("/! "), True
            before = text.startswith("//")
        return
    before = False
    for number, line in enumerate(lines, 1):
        comment = line.lstrip().startswith("#") and not line.startswith("#!")
        if comment:
            yield number, ("" if before else BEGINS) + line.strip(" #"), True
        before = comment


def faults(path, root):
    lines = (root / path).read_text(encoding="utf-8", errors="replace").splitlines()
    for number, text, counts in texts(path, lines):
        if counts and len(lines[number - 1]) > MAX_COLUMNS:
            yield f"{path}:{number}: {len(lines[number - 1])} columns, more than {MAX_COLUMNS}"
        for phrase, instead in PHRASES.items():
            found = re.search(phrase, text)
            if found:
                yield f"{path}:{number}: \"{found.group().strip(BEGINS)}\": write {instead}"


def files_of(root, folder):
    if folder:
        found = [os.path.relpath(os.path.join(base, name), root) for base, _, names in os.walk(folder) for name in names]
    else:
        found = subprocess.run(["git", "-C", root, "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
    ends = (".md", ".rs", ".c", ".h", ".cpp", ".py", ".sh", ".toml", ".lua", "Makefile")
    return [Path(name) for name in sorted(found) if name.endswith(ends) and (Path(root) / name).is_file()]


def place_of(path, places):
    return next((name for name in places if path == Path(name) or Path(name) in path.parents), None)


def main(root, folder=None):
    passed = failed = 0
    for path in files_of(root, folder):
        found = list(faults(path, Path(root)))
        if found:
            failed += 1
            print("\n".join("FAIL " + line for line in found))
        else:
            passed += 1
    print(f"ok {passed} files have no line that is too long and none of {len(PHRASES)} phrases")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
