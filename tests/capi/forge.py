#!/usr/bin/env python3
"""Makes artifacts that no compiler of ours would write: `forge.py GOOD.rtw FOLDER`.

Each has a right digest, so that what is wrong with it is found behind the digest. The layout of the envelope is that of
src/engine/artifact.rs; this is a second reading of it on purpose.
"""
import hashlib
import pathlib
import re
import struct
import sys

HEADER = struct.Struct("<8sIIQQ32s")


def seal(version, metadata, code, reserved=0):
    head = HEADER.pack(b"\x89RTW\r\n\x1a\n", version, len(metadata), len(code), reserved, bytes(32))[:32]
    return head + hashlib.sha256(head + metadata + code).digest() + metadata + code


def swap(metadata, pattern, replacement):
    changed, count = re.subn(pattern, replacement, metadata, count=1)
    if count != 1 or len(changed) != len(metadata):
        sys.exit(f"forge.py: {pattern} does not occur in the metadata")
    return changed


def main():
    good = pathlib.Path(sys.argv[1]).read_bytes()
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    _, version, metadata_length, code_length, _, _ = HEADER.unpack_from(good)
    metadata, code = good[64 : 64 + metadata_length], good[64 + metadata_length :]
    assert len(code) == code_length
    assert seal(version, metadata, code) == good, "the envelope is not what this script takes it for"
    forged = {
        "version": seal(version + 1, metadata, code),
        "engine": seal(version, swap(metadata, rb"wasmtime 48\.0\.\d", b"wasmtime 47.0.0"), code),
        "system": seal(version, swap(metadata, rb"-linux-gnu", b"-hurd0-gnu"), code),
        "architecture": seal(version, swap(metadata, rb"(x86_64|aarch64)-", lambda m: b"z" * (len(m.group(0)) - 1) + b"-"), code),
        "feature": seal(version, swap(metadata, rb"has_avx2|has_sse3|has_lse", lambda m: b"has_" + b"q" * (len(m.group(0)) - 4)), code),
        "metadata": seal(version, bytes([0xFF]) * 16 + metadata[16:], code),
        "no_metadata": seal(version, b"", code),
        "no_code": seal(version, metadata, b""),
        "code_is_text": seal(version, metadata, b"this is not machine code"),
        "reserved": seal(version, metadata, code, reserved=1),
        "trailing": good + b"\0",
        "empty": b"",
        "elf": pathlib.Path(sys.executable).read_bytes()[:4096],
        "text": b"(module)",
        "wasm": b"\0asm\x01\0\0\0",
        "magic": good[:8],
    }
    for name, content in forged.items():
        (folder / f"{name}.rtw").write_bytes(content)


main()
