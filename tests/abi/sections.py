#!/usr/bin/env python3
"""Names the sections in which two ELF files differ: `sections.py ONE TWO`."""
import pathlib
import struct
import sys


def sections(path):
    data = pathlib.Path(path).read_bytes()
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * i) for i in range(count)]
    text = data[headers[names][4] : headers[names][4] + headers[names][5]]
    return {text[h[0] : text.index(b"\0", h[0])].decode(): data[h[4] : h[4] + h[5]] for h in headers if h[1] not in (0, 8)}


one, two = map(sections, sys.argv[1:3])
print(" ".join(sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))))
