#!/usr/bin/env python3
"""Tampers with artifacts: `tamper.py FOLDER PLAIN OTHER SIGNED SIGNED_OTHER SIGNED_TWO_PARTS`. Writes files into FOLDER, and prints for each its
path, the status of a load without trusted keys, with them, the exit status of `rtwasm verify`, and what it is. Every checksum is
right again unless the words say otherwise; a digest too, where the words say so: whoever tampers on purpose can compute both.
`tamper.py parts STANDALONE PLUGIN OUT` puts two artifacts into one file."""
import hashlib
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import envelope  # noqa: E402
from envelope import CODE, DESCRIPTION, METADATA, Artifact, Section  # noqa: E402

RECORD = struct.Struct("<II32s64s")
OK, UNSIGNED, FORGED, DIGEST, ARTIFACT, ANY = "OK", "UNSIGNED", "FORGED", "DIGEST", "ARTIFACT", "ANY"


def digests(artifact):
    """The same artifact with the digests that its sections have now."""
    sections = [Section(one.kind, one.part, one.flags, one.data, hashlib.sha256(one.data).digest()) for one in artifact.sections]
    return Artifact(sections, artifact.signatures)


def changed(artifact, kind, data, part=1):
    sections = [Section(one.kind, one.part, one.flags, one.data, one.digest) for one in artifact.sections]
    result = Artifact(sections, artifact.signatures)
    result.find(kind, part).data = data
    return result


def swapped(artifact, one, two, part=1):
    a, b = artifact.find(one, part).data, artifact.find(two, part).data
    return changed(changed(artifact, one, b, part), two, a, part)


def flip(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def tampered(plain, other, signed, signed_other, two):
    code = other.find(CODE).data
    [record] = [signed.signatures[at : at + RECORD.size] for at in range(0, len(signed.signatures), RECORD.size)]
    unsigned = Artifact(signed.sections)
    yield plain.pack(), OK, UNSIGNED, 3, "an artifact that nobody signed"
    yield signed.pack(), OK, OK, 0, "a signed artifact"
    yield two.pack(), OK, OK, 0, "a signed artifact of two parts"
    yield unsigned.pack(), OK, UNSIGNED, 3, "the signature is taken off"
    yield Artifact(signed.sections, signed_other.signatures).pack(), OK, FORGED, 4, "the signature of another artifact"
    yield Artifact(other.sections, signed.signatures).pack(), OK, FORGED, 4, "another artifact under the signature"
    yield changed(signed, CODE, code).pack(), OK, FORGED, 4, "the code of another artifact, its digest left"
    yield digests(changed(signed, CODE, code)).pack(), OK, FORGED, 4, "the code of another artifact, with its digest"
    yield digests(changed(plain, CODE, code)).pack(), OK, UNSIGNED, 3, "the code of another artifact, with its digest, not signed"
    yield swapped(signed, METADATA, CODE).pack(), ANY, FORGED, 1, "metadata and code change places"
    yield digests(swapped(signed, METADATA, CODE)).pack(), ANY, FORGED, 1, "metadata and code change places, with their digests"
    sections = signed.sections
    yield Artifact(sections[::-1], record).pack(), OK, FORGED, 4, "the table in another order"
    more = Section(999, 0, 0, b"more")
    yield Artifact([*sections, more], record).pack(), OK, FORGED, 4, "one more section"
    rows = [[*row[:2], 0, *row[3:]] for row in signed.entries()]
    yield signed.pack(rows), OK, FORGED, 4, "other flags"
    rows = [[*row[:7], bytes(32)] for row in signed.entries()]
    yield signed.pack(rows), OK, FORGED, 4, "the digests are zero"
    plugin, standalone = two.find(CODE, 2).data, two.find(CODE, 1).data
    yield changed(changed(two, CODE, plugin, 1), CODE, standalone, 2).pack(), ANY, FORGED, 4, "the codes of two parts change places"
    parts = [Section(one.kind, 3 - one.part, one.flags, one.data, one.digest) for one in two.sections]
    yield Artifact(parts, two.signatures).pack(), OK, FORGED, 4, "two parts change places"
    only = [one for one in two.sections if one.part == 1]
    yield Artifact(only, two.signatures).pack(), OK, FORGED, 4, "one of two parts is taken out"
    yield changed(two, CODE, code, 2).pack(), OK, FORGED, 4, "the code of the part that is not chosen, its digest left"
    yield digests(changed(two, CODE, code, 2)).pack(), OK, FORGED, 4, "the code of the part that is not chosen, with its digest"
    file = two.pack()
    row = next(index for index, one in enumerate(two.sections) if (one.kind, one.part) == (CODE, 2))
    place = two.entries()[row][4]
    yield flip(file, 8 * place + 3), OK, OK, 1, "damage in the part that is not chosen"
    # One section's bytes where another's are, the table left as it is.
    rows, pieces = signed.entries(), [one.data for one in signed.sections]
    pieces[1] = pieces[1][::-1]
    yield signed.front(rows) + b"".join(pieces) + record, DIGEST, DIGEST, 1, "a section turned round, its checksum left"
    for bit in [*range(0, 64), *range(64, 104 * 8, 13)]:
        text = f"bit {bit} of the signature's record"
        flipped = flip(record, bit)
        if bit < 32:
            expected, verified = UNSIGNED, 3  # another algorithm
        elif bit < 64:
            expected, verified = ARTIFACT, 1  # another length
        elif bit < 64 + 256:
            expected, verified = UNSIGNED, 4  # another key
        else:
            expected, verified = FORGED, 4
        yield Artifact(sections, flipped).pack(), OK, expected, verified, text
    for length in range(1, RECORD.size):
        yield Artifact(sections, record[:length]).pack(), OK, ARTIFACT, 1, f"{length} bytes of the signature"
    yield Artifact(sections, record + record).pack(), OK, ARTIFACT, 1, "the signature twice"
    small = RECORD.pack(1, 96, bytes([1]) + bytes(31), bytes([1]) + bytes(63))
    yield Artifact(sections, small).pack(), OK, UNSIGNED, 4, "a key of small order, under which one signature fits everything"
    unknown = struct.pack("<II", 7, 5) + b"later"
    yield Artifact(sections, record + unknown).pack(), OK, OK, 0, "a signature of a later kind beside a right one"
    yield Artifact(sections, unknown).pack(), OK, UNSIGNED, 3, "a signature of a later kind alone"


def main():
    if sys.argv[1] == "parts":
        both = [envelope.unpack(pathlib.Path(path).read_bytes()) for path in sys.argv[2:4]]
        parts = [Section(one.kind, number, one.flags, one.data) for number, part in enumerate(both, 1) for one in part.sections]
        pathlib.Path(sys.argv[4]).write_bytes(Artifact(parts).pack())
        return
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = [envelope.unpack(pathlib.Path(path).read_bytes()) for path in sys.argv[2:]]
    for number, (content, without, with_keys, verify, what) in enumerate(tampered(*artifacts)):
        path = folder / f"{number:03}.rtw"
        path.write_bytes(content)
        print(path, without, with_keys, verify, what)


main()
