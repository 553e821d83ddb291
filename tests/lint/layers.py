#!/usr/bin/env python3
"""Holds the library's folders to their layers: `layers.py ROOT`.

A folder of src uses only those that USES names for it, and no folder but src/sys names the C library. Unit tests are left out: they
plant what the system does. Prints each line that is wrong."""
import re
import sys
from pathlib import Path

BELOW_ENGINE = {"status", "sys", "rt", "record", "artifact"}
USES = {
    "status": set(),
    "enter": set(),
    "ffi": {"status"},
    "sized": {"status"},
    "sys": {"status"},
    "rt": {"status", "sys"},
    "record": {"status", "sys", "rt"},
    "artifact": {"status", "sys"},
    "doctor": BELOW_ENGINE,
    "stats": BELOW_ENGINE,
    "engine": BELOW_ENGINE,
    "subjects": BELOW_ENGINE | {"engine", "stats"},
    "worker": BELOW_ENGINE | {"engine", "stats", "subjects"},
    "capi": BELOW_ENGINE | {"engine", "doctor", "stats", "subjects", "worker", "ffi", "sized"},
}


def code_of(path):
    """The lines of code, with their numbers: no comments, and no tests."""
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        if line.startswith("#[cfg(") and "test" in line and at + 1 < len(lines) and lines[at + 1].startswith("mod "):
            return
        if not line.lstrip().startswith("//"):
            yield at + 1, line


def faults(root):
    source = root / "src"
    for path in sorted(source.rglob("*.rs")):
        folder = path.relative_to(source).parts[0].removesuffix(".rs")
        if folder in ("lib", "base", "reports") or path.name == "tests.rs":
            continue
        if folder not in USES:
            yield f"src/{folder}: which folders it may use is not said in tests/lint/layers.py"
            continue
        for number, line in code_of(path):
            place = f"{path.relative_to(root)}:{number}"
            found = set(re.findall(r"\bcrate::(\w+)", line))
            for group in re.findall(r"\bcrate::\{([^}]*)", line):
                found |= set(re.findall(r"(?:^|,)\s*(\w+)", group))
            for used in sorted(found & set(USES) - USES[folder] - {folder}):
                yield f"{place}: src/{folder} uses src/{used}"
            if folder != "sys" and re.search(r"\blibc\b", line):
                yield f"{place}: only src/sys names the C library"


wrong = list(faults(Path(sys.argv[1])))
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
