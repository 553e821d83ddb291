"""Names the exported functions of a library that have a table of handlers (an LSDA): what has one cannot be unwound from any
instruction, but at its calls only.
    handlers.py LIBRARY PREFIX"""
import re
import subprocess
import sys

library, prefix = sys.argv[1:]
symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
starts = {}
for line in symbols.splitlines():
    address, kind, name = line.split()
    if kind in "TtWw" and name.startswith(prefix):
        starts.setdefault(int(address, 16), []).append(name)
frames = subprocess.run(["readelf", "--debug-dump=frames", library], check=True, capture_output=True, text=True).stdout
augmentations, seen, found = {}, set(), []
cie = None
for line in frames.splitlines():
    if match := re.match(r"([0-9a-f]+) \S+ \S+ CIE", line):
        cie = match[1]
    elif match := re.match(r'\s+Augmentation:\s+"(\w*)"', line):
        augmentations[int(cie, 16)] = match[1]
    elif match := re.match(r"[0-9a-f]+ \S+ \S+ FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.", line):
        start = int(match[2], 16)
        for name in starts.get(start, []):
            seen.add(name)
            if "L" in augmentations[int(match[1], 16)]:
                found.append(name)
names = {name for group in starts.values() for name in group}
print(f"{len(names)} functions")
for name in sorted(names - seen):
    print(f"{name}: no frame")
for name in sorted(found):
    print(f"{name}: handlers")
sys.exit(1 if found or names - seen or not names else 0)
