#!/usr/bin/env python3
"""Writes an artifact whose code was damaged and whose digest is right again: `damage.py GOOD.rtw OUT.rtw`.

The table of names is given the name of the machine code's section, so that there are two of these; the second does
not begin at a page, which the engine takes for a defect of its own: it panics.
"""
import hashlib
import pathlib
import struct
import sys

HEADER = struct.Struct("<8sIIQQ32s")


def main():
    good = pathlib.Path(sys.argv[1]).read_bytes()
    _, _, metadata_length, _, _, _ = HEADER.unpack_from(good)
    metadata, code = good[64 : 64 + metadata_length], bytearray(good[64 + metadata_length :])
    sections_at = struct.unpack_from("<Q", code, 0x28)[0]
    count, names = struct.unpack_from("<HH", code, 0x3C)
    names_at = struct.unpack_from("<Q", code, sections_at + 64 * names + 0x18)[0]
    by_name = {}
    for section in range(count):
        offset = struct.unpack_from("<I", code, sections_at + 64 * section)[0]
        by_name[bytes(code[names_at + offset : code.index(0, names_at + offset)])] = (section, offset)
    struct.pack_into("<I", code, sections_at + 64 * by_name[b".name.wasm"][0], by_name[b".text"][1])
    digest = hashlib.sha256(good[:32] + metadata + code).digest()
    pathlib.Path(sys.argv[2]).write_bytes(good[:32] + digest + metadata + code)


main()
