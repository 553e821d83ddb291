"""Reads and writes the envelope of artifacts. This is a second reading of docs/artifacts.md, on purpose apart from the library's."""
import ctypes
import dataclasses
import struct
import sys

MAGIC = b"\x89RTW\r\n\x1a\n"
VERSION = 5
HEADER = struct.Struct("<8sIIQII16s16x")
ENTRY = struct.Struct("<IIIIQQ16s32s")
DESCRIPTION, METADATA, CODE, SOURCE = 1, 2, 3, 4
REQUIRED = 1
TARGET, CPU_FEATURES, ABI, RELEASE = 1, 3, 7, 8


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XXHASH = ctypes.CDLL("libxxhash.so.0")
XXHASH.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
XXHASH.XXH3_128bits.restype = Hash128


def checksum(*pieces):
    """XXH3-128, by its authors' library."""
    data = b"".join(pieces)
    hash = XXHASH.XXH3_128bits(data, len(data))
    return struct.pack("<QQ", hash.low, hash.high)


@dataclasses.dataclass
class Section:
    kind: int
    part: int
    flags: int
    data: bytes
    digest: bytes = bytes(32)


@dataclasses.dataclass
class Artifact:
    sections: list
    signatures: bytes = b""
    version: int = VERSION

    def find(self, kind, part=1):
        return next(section for section in self.sections if (section.kind, section.part) == (kind, part))

    def entries(self):
        """The table's rows, as lists that a test may change."""
        at = HEADER.size + len(self.sections) * ENTRY.size
        rows = []
        for section in self.sections:
            rows.append([section.kind, section.part, section.flags, 0, at, len(section.data), checksum(section.data), section.digest])
            at += len(section.data)
        return rows

    def front(self, rows=None):
        table = b"".join(ENTRY.pack(*row) for row in rows or self.entries())
        end = HEADER.size + len(table) + sum(len(section.data) for section in self.sections)
        head = HEADER.pack(MAGIC, self.version, len(self.sections), end + len(self.signatures), len(self.signatures), 0, bytes(16))
        head = head[:32] + checksum(head[:32], table, self.signatures) + head[48:]
        return head + table

    def pack(self, rows=None):
        return self.front(rows) + b"".join(section.data for section in self.sections) + self.signatures


def unpack(file):
    magic, version, count, total, signature_bytes, zero, _ = HEADER.unpack_from(file)
    assert magic == MAGIC and total == len(file) and zero == 0, "the envelope is not what this script takes it for"
    sections = []
    for index in range(count):
        kind, part, flags, _, offset, length, _, digest = ENTRY.unpack_from(file, HEADER.size + index * ENTRY.size)
        sections.append(Section(kind, part, flags, file[offset : offset + length], digest))
    artifact = Artifact(sections, file[total - signature_bytes :] if signature_bytes else b"", version)
    assert artifact.pack() == file, "the envelope is not what this script takes it for"
    return artifact


def fields(description):
    """The fields of a description, as {tag: value}."""
    found, at = {}, 0
    while at < len(description):
        tag, length = struct.unpack_from("<HH", description, at)
        found[tag] = description[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def description(found):
    return b"".join(struct.pack("<HH", tag, len(value)) + value for tag, value in found.items())


if __name__ == "__main__":
    sys.exit("this is a module")
