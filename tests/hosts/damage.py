#!/usr/bin/env python3
"""Writes an artifact whose code was damaged and whose checksum is right again: `damage.py GOOD.rtw OUT.rtw`.

The table of names is given the name of the machine code's section, so that there are two of these; the second does
not begin at a page, which the engine takes for a defect of its own: it panics.
"""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import envelope  # noqa: E402


def main():
    artifact = envelope.unpack(pathlib.Path(sys.argv[1]).read_bytes())
    code = bytearray(artifact.find(envelope.CODE).data)
    sections_at = struct.unpack_from("<Q", code, 0x28)[0]
    count, names = struct.unpack_from("<HH", code, 0x3C)
    names_at = struct.unpack_from("<Q", code, sections_at + 64 * names + 0x18)[0]
    by_name = {}
    for section in range(count):
        offset = struct.unpack_from("<I", code, sections_at + 64 * section)[0]
        by_name[bytes(code[names_at + offset : code.index(0, names_at + offset)])] = (section, offset)
    struct.pack_into("<I", code, sections_at + 64 * by_name[b".name.wasm"][0], by_name[b".text"][1])
    artifact.find(envelope.CODE).data = bytes(code)
    pathlib.Path(sys.argv[2]).write_bytes(artifact.pack())


main()
