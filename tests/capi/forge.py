#!/usr/bin/env python3
"""Makes artifacts that no compiler of ours would write: `forge.py GOOD.rtw FOLDER FEATURED.rtw`, the last one's code using a CPU feature; or `forge.py GOOD.rtw - COUNT SEED`, which
writes COUNT damaged ones to the standard output, each after its length in four bytes.

Each has a right digest, so that what is wrong with it is found behind the digest. The layout of the envelope is that of
src/engine/artifact.rs; this is a second reading of it on purpose.
"""
import hashlib
import pathlib
import random
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


def records_of(code):
    """Where the engine's own records lie in the code, which is an ELF file."""
    section_table, = struct.unpack_from("<Q", code, 0x28)
    entry_bytes, count, names_index = struct.unpack_from("<HHH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", code, section_table + i * entry_bytes) for i in range(count)]
    names = sections[names_index][4]
    for name, _, _, _, offset, length in sections:
        if code[names + name :].startswith(b".wasmtime.info\0"):
            return offset, length
    sys.exit("forge.py: the code has no records")


def damage(version, metadata, code, chance):
    """One artifact with a few bytes changed, most often where the engine has its records, and its digest made right again."""
    records, length = records_of(code)
    code, metadata = bytearray(code), bytearray(metadata)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        kind = chance.random()
        if kind < 0.7:
            # The types come last.
            at = records + (chance.randrange(length) if chance.random() < 0.5 else length - 1 - chance.randrange(min(length, 300)))
            code[at] = chance.choice([code[at] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 1, 0x7F, 0xFF, code[at] + 1 & 0xFF])
        elif kind < 0.75:
            at = records + chance.randrange(length - 6)
            code[at : at + 5] = b"\xff\xff\xff\xff\x0f"
        elif kind < 0.9:
            # The ELF file's own tables: at its start and at its end.
            at = chance.choice([chance.randrange(64), len(code) - 1 - chance.randrange(min(len(code), 1500))])
            code[at] = chance.randrange(256)
        elif kind < 0.95:
            code[chance.randrange(len(code))] ^= 1 << chance.randrange(8)
        elif kind < 0.98:
            metadata[chance.randrange(len(metadata))] = chance.randrange(256)
        else:
            del code[chance.randrange(len(code) // 2, len(code)) :]
            break
    return seal(version, bytes(metadata), bytes(code))


def parts(path):
    """An artifact, the version of its envelope, its metadata, its code."""
    good = pathlib.Path(path).read_bytes()
    _, version, metadata_length, code_length, _, _ = HEADER.unpack_from(good)
    metadata, code = good[64 : 64 + metadata_length], good[64 + metadata_length :]
    assert len(code) == code_length
    assert seal(version, metadata, code) == good, "the envelope is not what this script takes it for"
    return good, version, metadata, code


def main():
    good, version, metadata, code = parts(sys.argv[1])
    if sys.argv[2] == "-":
        chance = random.Random(int(sys.argv[4]))
        for _ in range(int(sys.argv[3])):
            artifact = damage(version, metadata, code, chance)
            sys.stdout.buffer.write(struct.pack("<I", len(artifact)) + artifact)
        return
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    _, _, featured, featured_code = parts(sys.argv[3])
    forged = {
        "version": seal(version + 1, metadata, code),
        "engine": seal(version, swap(metadata, rb"wasmtime 48\.0\.\d", b"wasmtime 47.0.0"), code),
        "system": seal(version, swap(metadata, rb"-linux-gnu", b"-hurd0-gnu"), code),
        "architecture": seal(version, swap(metadata, rb"(x86_64|aarch64)-", lambda m: b"z" * (len(m.group(0)) - 1) + b"-"), code),
        "feature": seal(version, swap(featured, rb"has_avx2|has_sse3|has_lse", lambda m: b"has_" + b"q" * (len(m.group(0)) - 4)), featured_code),
        "metadata": seal(version, bytes([0xFF]) * 16 + metadata[16:], code),
        "no_metadata": seal(version, b"", code),
        "no_code": seal(version, metadata, b""),
        "code_is_text": seal(version, metadata, b"this is not machine code"),
        "reserved": seal(version, metadata, code, reserved=1),
        "trailing": good + b"\0",
        "zero_name": seal(version, swap(metadata, rb"nothing", b"noth\0ng"), code),
        "empty": b"",
        "elf": pathlib.Path(sys.executable).read_bytes()[:4096],
        "text": b"(module)",
        "wasm": b"\0asm\x01\0\0\0",
        "magic": good[:8],
    }
    for name, content in forged.items():
        (folder / f"{name}.rtw").write_bytes(content)


main()
