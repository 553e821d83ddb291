"""Reads the C headers that cbindgen writes: functions, structs and their fields, constants, each with its comment.

Not a C parser. It knows the few forms that the generated headers have, and stops at anything else with a message. A header is read
together with those that it includes from folders of its own.
"""
import os
import re
import sys
from dataclasses import dataclass, field

# Names of rtwasm's own that guests export or import: no header declares them.
GUESTS_NAMES = {"rtw_state_save", "rtw_state_load", "rtw_state_buffer", "rtw_log", "rtw_init", "rtw_io", "rtw_process", "rtw_reset",
                "rtw_describe", "rtw_guest"}


@dataclass
class Item:
    kind: str  # "function", "inline" (of the header alone), "record", "opaque", "alias", "constant" or "field"
    name: str
    comment: str | None
    text: str  # the declaration without its comments
    fields: list = field(default_factory=list)  # of a record


def flat(path):
    """A header's text with that of its parts in the places of their includes, each once."""
    return flattened(path, set())


def flattened(path, seen):
    seen.add(os.path.realpath(path))
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines(keepends=True)
    for number, line in enumerate(lines):
        name = re.match(r'#include "(.+)"', line)
        part = name and os.path.join(os.path.dirname(path), name[1])
        # Files beside an umbrella header belong to another library.
        if part and ("/" in name[1] or len(seen) > 1):
            lines[number] = "" if os.path.realpath(part) in seen else flattened(part, seen)
    return "".join(lines)


def declarations(text):
    """(comment, text) of each declaration and preprocessor line; the comment is the lines `///` directly before it."""
    found, comment, position = [], None, 0
    while position < len(text):
        end = text.find("\n", position) + 1 or len(text)
        if text[position].isspace():
            position += 1
        elif text.startswith("///", position):
            line = re.sub(r"^/// ?", "", text[position:end].rstrip())
            comment, position = line if comment is None else f"{comment}\n{line}", end
        elif text.startswith("/*", position):
            position = text.index("*/", position) + 2
        elif text.startswith("//", position):
            position = end
        elif text[position] == "#" or text.startswith('extern "C" {', position) or text[position] == "}":
            found.append((comment, text[position:end].rstrip()))
            comment, position = None, end
        else:
            end = end_of_declaration(text, position)
            found.append((comment, text[position:end]))
            comment, position = None, end
    return found


def end_of_declaration(text, start):
    depth, position = 0, start
    while position < len(text):
        if text.startswith("//", position):
            position = text.index("\n", position)
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
        if depth == 0 and (text[position - 1] == ";" or text.startswith("static inline ", start) and text[position - 1] == "}"):
            return position
    raise ValueError("a declaration has no end")


def parse_fields(body):
    fields = []
    for comment, text in declarations(body):
        match = re.fullmatch(r"[\w\s*]+?\b(\w+)(\[\w+\])?;", text.strip())
        if not match:
            raise ValueError(f"not understood as a field: {text!r}")
        fields.append(Item("field", match[1], comment, text))
    return fields


def parse_one(comment, text):
    if text.startswith("#"):
        match = re.match(r"#define (RTW_[A-Z0-9_]+) +(?!__attribute__)\S", text)
        return Item("constant", match[1], comment, text) if match else None
    if text.startswith(("extern", "}")):
        return None
    if match := re.fullmatch(r"typedef (?:struct|union) (\w+) \{(.*)\} (\w+);", text, re.S):
        return Item("record", match[3], comment, text, parse_fields(match[2]))
    if re.fullmatch(r"struct \w+;", text):
        return None
    if match := re.fullmatch(r"typedef struct (\w+) \1;", text):
        return Item("opaque", match[1], comment, text)
    if match := re.fullmatch(r"typedef .*?(?:\(\*(\w+)\)\(.*\)|\b(\w+));", text, re.S):
        return Item("alias", match[1] or match[2], comment, text)
    if match := re.fullmatch(r"static inline [\w\s*]+?\b(rtw_\w+)\([^)]*\)\s*\{.*\}", text, re.S):
        return Item("inline", match[1], comment, text)
    if match := re.fullmatch(r"[\w\s*]+?\b(rtw_\w+)\(.*\)(?:\s+RTW_NONBLOCKING)?\s*;", text, re.S):
        return Item("function", match[1], comment, text)
    raise ValueError(f"not understood: {text!r}")


def parse(path):
    text = flat(path)
    items = [parse_one(comment, declaration) for comment, declaration in declarations(text)]
    items = [item for item in items if item]
    if not any(item.kind == "function" for item in items):
        raise ValueError(f"{path}: no functions found")
    return items


def main():
    """cheader.py KIND HEADER...: the names of one kind, sorted. cheader.py flat HEADER: the header and its parts as one text."""
    kind, paths = sys.argv[1], sys.argv[2:]
    if kind == "flat":
        sys.stdout.write(flat(*paths))
        return
    for name in sorted(item.name for path in paths for item in parse(path) if item.kind == kind):
        print(name)


if __name__ == "__main__":
    main()
