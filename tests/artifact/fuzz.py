#!/usr/bin/env python3
"""Fuzzes the loader with artifacts that are changed along their structure: `make fuzz`, N= cases from SEED=, ONLY= one, which goes to OUT=.

  fuzz.py LIBRARY SEEDS [N [SEED]]    SEEDS: a folder with *.rtw, of which signed*.rtw are signed by signer.pub

Each case is a seed with one to three changes: of the header, of the table's rows, of descriptions and metadata field by field, of
signatures, of bytes; sections are swapped, doubled, taken from another seed. Most have right checksums, so that they get past the first
check. A file is probed, loaded from memory and, at times, from a file, by a runtime without keys and by one that trusts signer.pub.
The judge is a second reading of docs/artifacts.md: it says of many files that they must be refused, or must load. Code is never changed
under a right checksum, since whoever can do that can do anything. Each range of cases runs in a process of its own, so a crash is one
more finding. At last defects are planted: the loader gets a file with one fault repaired, as if it did not look there, and that must be found."""
import ctypes
import mmap
import os
import pathlib
import random
import re
import signal
import struct
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
import envelope  # noqa: E402
from envelope import CODE, DESCRIPTION, ENTRY, HEADER, METADATA, Artifact, Section, checksum  # noqa: E402

GUEST, RESET, NOTES = 5, 7, 8
KNOWN_KINDS = range(1, 9)
REFUSALS = """NOT_ARTIFACT PLAIN_WASM TRUNCATED DIGEST ENVELOPE_VERSION ARTIFACT ENGINE TARGET CPU_FEATURE COMPILER UNSIGNED FORGED
UNSUPPORTED PROFILE SIGNALS""".split()
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x10000, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
CASE_SECONDS = 300  # a case that takes longer hangs


# ---- the library ----

class Library:
    def __init__(self, path, key):
        self.api = ctypes.CDLL(path)
        text = (ROOT / "include/rtwasm/status.h").read_text()
        self.names = {int(value): name for name, value in re.findall(r"#define RTW_(?:ERR_)?(\w+) (-?\d+)\n", text)}
        layout = dict(line.split(" ", 1) for line in (ROOT / "tests/abi/layout.txt").read_text().splitlines())
        self.at = {name: int(row.split()[0]) for name, row in layout.items() if "." in name}
        self.size = {name: int(row.split()[0]) for name, row in layout.items() if "." not in name}
        for name in ("rtw_runtime_create", "rtw_module_load", "rtw_module_load_file", "rtw_module_probe"):
            getattr(self.api, name).restype = ctypes.c_int32
        self.api.rtw_module_export_count.restype = self.api.rtw_module_import_count.restype = ctypes.c_size_t
        self.anyone, self.strict = self.runtime(None), self.runtime(key)

    def struct(self, name):
        made = ctypes.create_string_buffer(self.size[name])
        getattr(self.api, name.removesuffix("_t") + "_init_sized")(made, ctypes.c_size_t(self.size[name]))
        return made

    def runtime(self, key):
        config, out = self.struct("rtw_runtime_config_t"), ctypes.c_void_p()
        if key:
            self.key = ctypes.create_string_buffer(key, 32)
            struct.pack_into("<Q", config, self.at["rtw_runtime_config_t.trusted_keys"], ctypes.addressof(self.key))
            struct.pack_into("<I", config, self.at["rtw_runtime_config_t.trusted_key_count"], 1)
        if self.api.rtw_runtime_create(config, ctypes.byref(out), None) != 0:
            sys.exit("no runtime")
        return out

    def probe(self, runtime, file):
        info = self.struct("rtw_module_info_t")
        status = self.api.rtw_module_probe(runtime, file, ctypes.c_size_t(len(file)), info, None)
        return self.names[status], struct.unpack_from("<I", info, self.at["rtw_module_info_t.part"])[0]

    def load(self, runtime, file, path=None):
        """The status; and reads what a loaded module says of itself."""
        module = ctypes.c_void_p()
        if path:
            status = self.api.rtw_module_load_file(runtime, os.fsencode(path), ctypes.byref(module), None)
        else:
            status = self.api.rtw_module_load(runtime, file, ctypes.c_size_t(len(file)), ctypes.byref(module), None)
        if (status == 0) != bool(module.value):
            return "a status and a module that contradict each other"
        if status == 0:
            one = ctypes.create_string_buffer(self.size["rtw_extern_t"])
            for count, get in ((self.api.rtw_module_export_count, self.api.rtw_module_export),
                               (self.api.rtw_module_import_count, self.api.rtw_module_import)):
                for index in range(min(count(module), 1000)):
                    if get(module, ctypes.c_size_t(index), one) != 0:
                        return "an export or import that cannot be read"
                    for field in ("module", "name", "ty"):
                        [place] = struct.unpack_from("<Q", one, self.at[f"rtw_extern_t.{field}"])
                        ctypes.string_at(place).decode()
            self.api.rtw_module_destroy(module)
        return self.names[status]


# ---- the judge ----

def parts_of(artifact):
    """The sections that loading depends on, of each part."""
    numbers = sorted({one.part for one in artifact.sections if one.part})
    return [frozenset((one.kind, one.data) for one in artifact.sections if one.part == number and one.kind not in (NOTES,)) for number in numbers]


class Judge:
    def __init__(self, seeds):
        self.parts = {part for name, seed in seeds for part in parts_of(seed)}
        self.signed = {message(seed.pack()): seed.signatures for name, seed in seeds if name.startswith("signed")}

    def look(self, file):
        """Why the file must be refused by anyone, or None; and its rows, if they can be read."""
        if len(file) < HEADER.size:
            return "shorter than a header", []
        magic, version, count, total, signatures, zero, front = HEADER.unpack_from(file)
        if (magic, version, zero, total) != (envelope.MAGIC, envelope.VERSION, 0, len(file)) or any(file[48:64]):
            return "the header", []
        start, end = HEADER.size + count * ENTRY.size, total - signatures
        if count > 1024 or signatures > 65536 or end < start:
            return "the header's numbers", []
        if front != checksum(file[:32], file[64:start], file[end:]):
            return "the header's checksum", []
        rows = [ENTRY.unpack_from(file, HEADER.size + index * ENTRY.size) for index in range(count)]
        at = start
        for kind, part, flags, reserved, offset, length, *_ in rows:
            if flags > 1 or reserved or offset != at or length > end - at:
                return "the table", []
            at += length
        if at != end:
            return "the sections' end", []
        if any(part == 0 and flags and kind not in KNOWN_KINDS for kind, part, flags, *_ in rows):
            return "a section that one has to know", rows
        for part in range(1, max((row[1] for row in rows), default=0) + 1):
            kinds = [row[0] for row in rows if row[1] == part]
            if any(kinds.count(kind) != 1 for kind in (DESCRIPTION, METADATA, CODE)):
                return "the sections of a part", rows
        if not any(row[1] for row in rows):
            return "no part", rows
        if any(self.damaged(file, row) for row in rows if row[0] == DESCRIPTION and row[1]):
            return "a description's checksum", rows
        return None, rows

    @staticmethod
    def damaged(file, row):
        return checksum(file[row[4]:row[4] + row[5]]) != row[6]

    def must_load(self, file, rows):
        """True if it consists of parts of the seeds and what a reader passes over."""
        if any(self.damaged(file, row) for row in rows) or any(row[0] not in KNOWN_KINDS and row[2] for row in rows):
            return False
        made = Artifact([Section(row[0], row[1], row[2], file[row[4]:row[4] + row[5]]) for row in rows])
        return all(part in self.parts for part in parts_of(made)) and all(row[0] not in (GUEST, RESET) or row[1] for row in rows)


def message(file):
    [count] = struct.unpack_from("<I", file, 12)
    return file[:16] + file[64:64 + 80 * count]


def wrong(library, judge, file, path=None, plant=None):
    """What the library has done wrong with the file; None if nothing. Planted: the runtimes get other files instead."""
    reason, rows = judge.look(file)
    given, given_strict = plant(file) if plant else (file, file)
    probed, part = library.probe(library.anyone, given)
    loaded, strict = library.load(library.anyone, given), library.load(library.strict, given_strict)
    for status in (probed, loaded, strict):
        if status != "OK" and status not in REFUSALS:
            return f"status {status}"
    # A probe does not read the reset image, the part's or one that belongs to no part.
    damaged_image = any(judge.damaged(file, row) for row in rows if row[1] in (0, part) and row[0] == RESET)
    only_loads = ("ENGINE", "ARTIFACT", "DIGEST") if damaged_image else ("ENGINE", "ARTIFACT")
    if probed != loaded and not (probed == "UNSUPPORTED" and loaded == "OK" or probed == "OK" and loaded in only_loads):
        return f"probed {probed}, loaded {loaded}"
    if path:
        path.write_bytes(given)
        from_file = library.load(library.anyone, None, path)
        if from_file != loaded:
            return f"{loaded} from memory, {from_file} from a file"
    if loaded == "OK" and reason:
        return f"loaded in spite of {reason}"
    if loaded == "OK" and any(judge.damaged(file, row) for row in rows if row[1] == part and row[0] in (METADATA, CODE, RESET)):
        return "loaded with a wrong checksum of the part"
    if not reason and loaded != "OK" and judge.must_load(file, rows):
        return f"{loaded}, although it has only parts that load"
    if strict == "OK" and (reason or message(file) not in judge.signed):
        return "a key has signed something else"
    return None


# ---- the changes ----

def number(text, at):
    """The end of the LEB128 number at a place."""
    while at < len(text) and text[at] & 0x80:
        at += 1
    return at + 1


def leb(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def change_bytes(rnd, data):
    data = bytearray(data)
    at = rnd.randrange(len(data) + 1)
    how = rnd.randrange(5)
    if how == 0 and at < len(data):
        data[at] ^= 1 << rnd.randrange(8)
    elif how == 1:
        data[at:at + rnd.randrange(1, 9)] = rnd.randbytes(rnd.randrange(0, 9))
    elif how == 2:
        del data[at:]
    elif how == 3:
        data[at:at] = rnd.randbytes(rnd.choice([1, 7, 100, 5000]))
    elif data:
        data[at:at] = data[:rnd.randrange(len(data))]
    return bytes(data)


def change_metadata(rnd, data):
    """Puts another number where one is, a length or a count as often as not; or another text."""
    places, at = [], 4
    while at < len(data):
        places.append(at)
        at = number(data, at)
    if not places or rnd.randrange(8) == 0:
        return change_bytes(rnd, data)
    at = rnd.choice(places[:40] if rnd.randrange(2) else places)
    new = rnd.choice([leb(rnd.choice(EDGES)), b"\xff" * rnd.randrange(1, 12), leb(data[at] + rnd.choice([-1, 1, 64]) & 0xFFFF), b"\0", b"\xc3("])
    return data[:at] + new + data[number(data, at) if rnd.randrange(4) else at:]


def change_description(rnd, data):
    try:
        fields = list(envelope.fields(data).items())
    except struct.error:  # it is changed already
        fields = []
    how, index = rnd.randrange(6), rnd.randrange(len(fields) or 1)
    if not fields or how == 0:
        return change_bytes(rnd, data)
    if how == 1:
        del fields[index]
    elif how == 2:
        fields.insert(rnd.randrange(len(fields) + 1), fields[index])
    elif how == 3:
        fields[index] = (rnd.choice([0, 11, 31, 32, 999, 0x8000, 0x8001, 0xFFFF, fields[index][0] ^ 1]), fields[index][1])
    elif how == 4:
        fields[index] = (fields[index][0], change_bytes(rnd, fields[index][1])[:65535])
    else:
        fields[index] = (fields[index][0], struct.pack("<Q", rnd.choice(EDGES))[:len(fields[index][1])])
    return b"".join(struct.pack("<HH", tag, len(value)) + value for tag, value in fields)


def change_sections(rnd, artifact, others):
    sections = artifact.sections
    index = rnd.randrange(len(sections))
    one = sections[index]
    how = rnd.randrange(9)
    if how < 4 and one.kind != CODE:
        change = {METADATA: change_metadata, DESCRIPTION: change_description}.get(one.kind, change_bytes)
        sections[index] = Section(one.kind, one.part, one.flags, change(rnd, one.data), one.digest)
    elif how == 4:
        other = rnd.randrange(len(sections))
        if CODE not in (one.kind, sections[other].kind):
            sections[index], sections[other] = sections[other], one
    elif how == 5:
        sections.insert(rnd.randrange(len(sections) + 1), Section(one.kind, rnd.randrange(4), one.flags, one.data, one.digest))
    elif how == 6:
        del sections[index]
        sections = sections or [one]
    elif how == 7:
        sections.insert(rnd.randrange(len(sections) + 1), Section(rnd.choice([0, 9, 999, 2**32 - 1]), rnd.randrange(3), rnd.randrange(2), rnd.randbytes(rnd.randrange(40))))
    else:
        sections += rnd.choice(others).sections
    return Artifact(sections or [one], artifact.signatures, artifact.version)


def change_rows(rnd, rows):
    if not rows:
        return rows
    row = rnd.choice(rows)
    field = rnd.randrange(8)
    if field < 4:
        row[field] = rnd.choice([0, 1, 2, 3, 4, 5, 9, 2**31, 2**32 - 1])
    elif field < 6:
        row[field] = rnd.choice([*EDGES, row[field] + 1, row[field] - 1, rnd.choice(rows)[field]]) % 2**64
    else:
        row[field] = rnd.choice([bytes(len(row[field])), rnd.randbytes(len(row[field])), rnd.choice(rows)[field]])
    return rows


def change_signatures(rnd, signatures):
    record = struct.pack("<II", rnd.choice([0, 1, 1, 2, 2**32 - 1]), rnd.choice([0, 95, 96, 96, 97, 2**32 - 1])) + rnd.randbytes(96)
    return rnd.choice([b"", change_bytes(rnd, signatures), signatures + record, record + signatures, signatures * 2, rnd.randbytes(65536)])


def case(seed, nth, seeds):
    """Case `nth`."""
    rnd = random.Random(f"{seed}/{nth}")
    artifact = envelope.unpack(rnd.choice(seeds)[1].pack())
    others = [envelope.unpack(one.pack()) for _, one in rnd.sample(seeds, 2)]
    rows = None
    for _ in range(rnd.randrange(1, 4)):
        how = rnd.randrange(8)
        if how < 5:
            artifact = change_sections(rnd, artifact, others)
        elif how == 5:
            artifact.signatures = change_signatures(rnd, artifact.signatures)
        else:
            rows = change_rows(rnd, artifact.entries())
    if rows is not None and len(rows) != len(artifact.sections):
        rows = None
    file = bytearray(artifact.pack(rows))
    how = rnd.randrange(12)
    if how == 0:  # the header's numbers, with a right checksum
        offset, form = rnd.choice([(8, "<I"), (12, "<I"), (16, "<Q"), (24, "<I"), (28, "<I")])
        [value] = struct.unpack_from(form, file, offset)
        value = rnd.choice([*EDGES, value + 1, value - 1]) % 2 ** (8 * struct.calcsize(form))
        struct.pack_into(form, file, offset, value)
        repair_front(file)
    elif how == 1:
        file = bytearray(change_bytes(rnd, bytes(file)))
    elif how == 2:  # within the front, the checksum left
        file[rnd.randrange(min(len(file), 64 + 80 * len(artifact.sections)))] ^= 1 << rnd.randrange(8)
    return bytes(file)


def repair_front(file):
    """Sets the checksum of the front, where the header's numbers allow it."""
    if len(file) < HEADER.size:
        return
    [count], [signatures] = struct.unpack_from("<I", file, 12), struct.unpack_from("<I", file, 24)
    start, end = 64 + 80 * min(count, 2000), max(0, len(file) - signatures)
    file[32:48] = checksum(bytes(file[:32]), bytes(file[64:start]), bytes(file[end:]))


# ---- planted defects: the loader gets a file in which one fault is repaired ----

def has_right_front(file):
    try:
        envelope.HEADER.unpack_from(file)
        again = bytearray(file)
        repair_front(again)
        return again == file and file[:8] == envelope.MAGIC
    except struct.error:
        return False


def plant_front(file):
    file = bytearray(file)
    repair_front(file)
    return bytes(file), bytes(file)


def plant_sections(kinds):
    def plant(file):
        if not has_right_front(file):
            return file, file
        [count], file = struct.unpack_from("<I", file, 12), bytearray(file)
        for at in range(64, min(64 + 80 * min(count, 1024), len(file) - 79), 80):
            row = list(ENTRY.unpack_from(file, at))
            if row[0] in kinds:
                row[6] = checksum(bytes(file[row[4]:row[4] + row[5]]))
                ENTRY.pack_into(file, at, *row)
        repair_front(file)
        return bytes(file), bytes(file)
    return plant


def plant_signature(seeds):
    """The runtime with a key gets a signed seed instead of what nobody has signed."""
    signed = next(seed.pack() for name, seed in seeds if name.startswith("signed"))
    return lambda file: (file, signed if has_right_front(file) else file)


# ---- the run ----

def work(library_path, key, seeds, seed, numbers, plant, state, folder):
    """In a process of its own. `state`: the number of the case, then how many have loaded and were refused."""
    library, judge = Library(library_path, key), Judge(seeds)
    for nth in numbers:
        struct.pack_into("<Q", state, 0, nth)
        signal.alarm(CASE_SECONDS)
        file = case(seed, nth, seeds)
        found = wrong(library, judge, file, folder / f"fuzz.{os.getpid()}.rtw" if nth % 50 == 0 else None, plant)
        at = 8 if not plant and library.load(library.anyone, file) == "OK" else 16
        struct.pack_into("<Q", state, at, struct.unpack_from("<Q", state, at)[0] + 1)
        if found:
            print(f"    case {nth} of seed {seed}: {found}\n        alone: make fuzz SEED={seed} ONLY={nth} OUT=FILE", flush=True)
            os._exit(1)
    os._exit(0)


def run(numbers, plant, *more):
    """Runs cases until all have passed or five findings were made; returns their number, and how many loaded and were refused."""
    state = mmap.mmap(-1, 24)
    findings = 0
    while findings < (1 if plant else 5) and len(numbers):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                work(*more[:4], numbers, plant, state, more[4])
            except BaseException:
                traceback.print_exc()
            os._exit(70)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            break
        [nth] = struct.unpack_from("<Q", state, 0)
        if status != 1:
            how = f"ended by signal {-status}" if status < 0 else "ended by an error of the script"
            print(f"    case {nth} of seed {more[3]}: {how}\n        alone: make fuzz SEED={more[3]} ONLY={nth} OUT=FILE")
        findings += 1
        numbers = numbers[numbers.index(nth) + 1:]
    return findings, *struct.unpack_from("<QQ", state, 8)


def main():
    library, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    wanted, seed = (int(sys.argv[place]) if len(sys.argv) > place else otherwise for place, otherwise in ((3, 20000), (4, 1)))
    seeds = [(path.name, envelope.unpack(path.read_bytes())) for path in sorted(folder.glob("*.rtw")) if not path.name.startswith("fuzz.")]
    words = (folder / "signer.pub").read_text().split()
    key = bytes.fromhex(words[words.index("rtwasm-public-key") + 1])
    only = os.environ.get("ONLY")
    if only and os.environ.get("OUT"):
        pathlib.Path(os.environ["OUT"]).write_bytes(case(seed, int(only), seeds))
    numbers = range(int(only), int(only) + 1) if only else range(wanted)
    passed = failed = 0

    def check(holds, what):
        nonlocal passed, failed
        print("ok" if holds else "FAIL", what, flush=True)
        passed, failed = passed + bool(holds), failed + (not holds)

    more = (library, key, seeds, seed, folder)
    findings, loaded, refused = run(numbers, None, *more)
    check(findings == 0, f"{loaded + refused} artifacts from {len(seeds)} seeds: {loaded} load, {refused} are refused, none with the wrong status")
    if not only:
        check(loaded * 20 > wanted and refused * 3 > wanted, "many of them load, and many do not")
        for what, plant in (
            ("does not compare the header's checksum", plant_front), ("does not compare a description's checksum", plant_sections([DESCRIPTION])),
            ("does not compare checksums of metadata and code", plant_sections([METADATA, CODE])), ("trusts every signature", plant_signature(seeds)),
        ):
            check(run(range(3000), plant, *more)[0] > 0, f"planted: a loader that {what} is found")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
