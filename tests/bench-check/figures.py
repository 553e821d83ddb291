"""Figures of `make bench-check`: one a line, `NAME VALUE UNIT`, below the versions that they are for.

  figures.py gather UNIT DUMPS...             from callgrind's dumps to figures, per call; UNIT: instructions, or lines or pages, which
                                              the misses of the simulated last-level cache are
  figures.py compare COMMITTED MEASURED KEY   `ok` or `FAIL` for each figure; where the key has no figures, each is skipped by name
  figures.py update COMMITTED MEASURED KEY    puts what was measured in the place of what was committed for this key"""
import re
import sys
from pathlib import Path

TOLERANCE = 0.02
# Where the system puts a stack, and an allocation, decides how many lines they take.
PLACES = {"lines": 3, "pages": 2}

HEADING = """# What calls, setup and kernels cost, as `make bench-check` counts it; `make bench-check UPDATE=1` writes it anew. A figure holds for
# the versions above it, within 2 %; lines within 3, pages within 2. Instructions are per call, with the loop around it, artifacts for
# sse42,popcnt. Lines (64 bytes) and pages (4096 bytes) are those that a cold call touches, with its caller's and its stack.
"""


def gather(unit, paths):
    figures = {}
    for path in map(Path, paths):
        text = path.read_text(errors="replace")
        trigger = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+)$", text, re.MULTILINE)
        if trigger is None:
            continue  # of the process's end
        events = re.search(r"^events: (.*)$", text, re.MULTILINE).group(1).split()
        # callgrind leaves out zeros at the end.
        total = dict.fromkeys(events, 0) | dict(zip(events, map(int, re.search(r"^totals: (.*)$", text, re.MULTILINE).group(1).split())))
        name, calls = trigger.group(1), int(trigger.group(2))
        if unit == "instructions":
            figures[name] = total["Ir"] / calls
        else:
            name, profile = name.split(".")
            figures[f"{name}-code-{unit}.{profile}"] = total["ILmr"] / calls
            figures[f"{name}-data-{unit}.{profile}"] = (total["DLmr"] + total["DLmw"]) / calls
    for name, value in sorted(figures.items()):
        print(f"{name} {value:.1f} {unit}")
    return 0 if figures else 1


def read_lines(text):
    figures = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, value, unit = line.split()
            if name in figures:
                sys.exit(f"{name} is there twice")
            figures[name] = (float(value), unit, line)
    return figures


def read_committed(path):
    """Key -> figures."""
    parts = re.split(r"^\[(.*)\]$", path.read_text() if path.exists() else "", flags=re.MULTILINE)
    return {key: read_lines(text) for key, text in zip(parts[1::2], parts[2::2])}


def compare(committed_path, measured_path, key):
    committed, measured = read_committed(committed_path), read_lines(measured_path.read_text())
    passed = failed = 0
    if key not in committed:
        print(f"there are no figures for {key}; there are for: {'; '.join(committed) or 'none'}")
        for name in sorted(measured):
            print(f"skipped {name}")
        return 0
    for name in sorted(committed[key].keys() | measured.keys()):
        if name not in measured:
            line = "was not measured"
        elif name not in committed[key]:
            line = "has no figure that was committed"
        else:
            (was, unit, _), (now, now_unit, _) = committed[key][name], measured[name]
            change = f"{was:g} {unit} committed, {now:g} {now_unit} now" + (f", {100 * (now / was - 1):+.1f} %" if was else "")
            if unit == now_unit and abs(now - was) <= PLACES.get(unit, TOLERANCE * was):
                print(f"ok {name}: {change}")
                passed += 1
                continue
            line = change
        print(f"FAIL {name}: {line}")
        failed += 1
    if failed:
        print("    where that is wanted: make bench-check UPDATE=1, and commit the difference")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


def update(committed_path, measured_path, key):
    committed, measured = read_committed(committed_path), read_lines(measured_path.read_text())
    before = committed.get(key, {})
    # Figures within the tolerance stay as they are, so that a difference shows only what has changed.
    kept = {name: before[name] if name in before and before[name][1] == unit and abs(value - before[name][0]) <= TOLERANCE / 4 * before[name][0]
            else (value, unit, line) for name, (value, unit, line) in measured.items()}
    committed[key] = kept
    text = HEADING
    for section, figures in sorted(committed.items()):
        text += f"\n[{section}]\n" + "".join(f"{figures[name][2]}\n" for name in sorted(figures))
    committed_path.write_text(text)
    changed = sum(before.get(name) != figure for name, figure in kept.items()) + len(before.keys() - kept.keys())
    print(f"{committed_path}: {len(kept)} figures for {key}, {changed} of them changed, new or gone")
    return 0


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "gather":
        sys.exit(gather(arguments[0], arguments[1:]))
    sys.exit({"compare": compare, "update": update}[what](Path(arguments[0]), Path(arguments[1]), arguments[2]))
