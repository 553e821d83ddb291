#!/usr/bin/env python3
"""Puts another release's code into an artifact of one part: `replace.py GOOD.rtw CODE.elf RELEASE NEW.rtw`; with the RELEASE `own` the
artifact goes on saying that the code is the pinned release's."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import envelope  # noqa: E402

good, code, release, new = sys.argv[1:]
artifact = envelope.unpack(pathlib.Path(good).read_bytes())
artifact.find(envelope.CODE).data = pathlib.Path(code).read_bytes()
if release != "own":
    major, minor, patch = map(int, release.split("."))
    found = envelope.fields(artifact.find(envelope.DESCRIPTION).data)
    found[envelope.RELEASE] = struct.pack("<I", major << 16 | minor << 8 | patch)
    artifact.find(envelope.DESCRIPTION).data = envelope.description(found)
pathlib.Path(new).write_bytes(artifact.pack())
