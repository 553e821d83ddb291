#!/usr/bin/env python3
"""Makes artifacts that no compiler of ours would write: `forge.py GOOD.rtw FOLDER FEATURED.rtw`, the last one's code using a CPU feature; or `forge.py GOOD.rtw - COUNT SEED`, which
writes COUNT damaged ones to the standard output, each after its length in four bytes.

Each has right checksums, so that what is wrong with it is found behind them.
"""
import copy
import pathlib
import random
import re
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import envelope  # noqa: E402


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


def damage(good, chance):
    """One artifact with a few bytes changed, most often where the engine has its records, and its checksums made right again."""
    metadata, code = bytearray(good.find(envelope.METADATA).data), bytearray(good.find(envelope.CODE).data)
    records, length = records_of(code)
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
    return sealed(good, {envelope.METADATA: bytes(metadata), envelope.CODE: bytes(code)})


def sealed(good, sections, version=None):
    """The artifact with the data of some sections replaced."""
    artifact = copy.deepcopy(good)
    artifact.version = version or artifact.version
    for section in artifact.sections:
        section.data = sections.get(section.kind, section.data)
    return artifact.pack()


def described(good, tag, change):
    """The artifact with one field of its description changed."""
    fields = envelope.fields(good.find(envelope.DESCRIPTION).data)
    fields[tag] = change(fields[tag])
    return sealed(good, {envelope.DESCRIPTION: envelope.description(fields)})


def main():
    file = pathlib.Path(sys.argv[1]).read_bytes()
    good = envelope.unpack(file)
    if sys.argv[2] == "-":
        chance = random.Random(int(sys.argv[4]))
        for _ in range(int(sys.argv[3])):
            artifact = damage(good, chance)
            sys.stdout.buffer.write(struct.pack("<I", len(artifact)) + artifact)
        return
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    featured = envelope.unpack(pathlib.Path(sys.argv[3]).read_bytes())
    signed = envelope.unpack(pathlib.Path(sys.argv[4]).read_bytes())
    metadata = good.find(envelope.METADATA).data
    later = envelope.Section(999, 0, envelope.REQUIRED, b"later")
    rows = good.entries()
    rows[0][3] = 1
    forged = {
        "version": sealed(good, {}, version=6),
        "old_version": sealed(good, {}, version=4),
        "engine": described(good, envelope.RELEASE, lambda _: struct.pack("<I", 47 << 16)),
        "abi": described(good, envelope.ABI, lambda _: struct.pack("<I", 77)),
        "system": described(good, envelope.TARGET, lambda target: swap(target, rb"-linux-gnu", b"-hurd0-gnu")),
        "architecture": described(good, envelope.TARGET, lambda target: b"zzz" + target[target.index(b"-") :]),
        "feature": described(featured, envelope.CPU_FEATURES, lambda names: names + b" has_qq"),
        "metadata": sealed(good, {envelope.METADATA: metadata[:4] + bytes([0xFF]) * 16 + metadata[20:]}),
        "no_metadata": sealed(good, {envelope.METADATA: b""}),
        "longer_metadata": sealed(good, {envelope.METADATA: struct.pack("<I", 3) + metadata[4:] + b"what a later version appends"}),
        "no_code": sealed(good, {envelope.CODE: b""}),
        "code_is_text": sealed(good, {envelope.CODE: b"this is not machine code"}),
        "later_section": envelope.Artifact(good.sections + [later]).pack(),
        "later_flags": good.pack(rows),
        "signature": envelope.Artifact(signed.sections + [envelope.Section(999, 0, 0, b"more")], signed.signatures).pack(),
        "reserved": file[:28] + b"\1" + file[29:],
        "trailing": file + b"\0",
        "zero_name": sealed(good, {envelope.METADATA: swap(metadata, rb"nothing", b"noth\0ng")}),
        "empty": b"",
        "elf": pathlib.Path(sys.executable).read_bytes()[:4096],
        "text": b"(module)",
        "wasm": b"\0asm\x01\0\0\0",
        "magic": file[:8],
    }
    for name, content in forged.items():
        (folder / f"{name}.rtw").write_bytes(content)


main()
