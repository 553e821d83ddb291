#!/usr/bin/env python3
"""Describes the C API as data, and writes the declarations of the bindings from that: `generate.py OUT [INCLUDE]`, `make api`.

Reads the headers in INCLUDE (include/): types as clang parses them, comments and constants as tests/header/cheader.py does, sizes and
offsets from tests/abi/layout.txt (LAYOUT names another table). Writes below OUT:

api.json                functions, structs, handles, callbacks, enums and constants, with role tags, offsets, sizes and values
python/rtwasm/_api.py   the same for ctypes
lua/rtwasm_api.lua      the same for LuaJIT's ffi
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "header"))
from cheader import declarations, parse, parse_one  # noqa: E402 (it is found there)

# The enums: their name, and what their constants start with or, after a colon, are. A constant of no enum stands for itself.
ENUMS = """
Status RTW_ERR_ :RTW_OK
Profile RTW_PROFILE_
Sched RTW_SCHED_
Lock RTW_LOCK_
SignalChecks RTW_SIGNALS_
Denormals RTW_DENORMALS_
LogLevel :RTW_LOG_PRINTED :RTW_LOG_DEBUG :RTW_LOG_INFO :RTW_LOG_WARNING :RTW_LOG_ERROR
Cancel RTW_CANCEL_
ResetObstacle RTW_RESET_NO_
ExternKind RTW_EXTERN_
HostFlag :RTW_HOST_MAY_BLOCK :RTW_HOST_CHANGES_FLOAT
Stubs RTW_STUBS_
GrowthMode RTW_GROWTH_
Budget RTW_BUDGET_
Initialize RTW_INITIALIZE_
Refused RTW_REFUSED_
MapFlag RTW_MAP_
BlockFlag RTW_BLOCK_
StateTransfer RTW_STATE_
SlotEvent RTW_SLOT_EVENT_
WorkerKind :RTW_WORKER_PERIODIC :RTW_WORKER_QUEUE
Missed RTW_MISSED_
OnFault RTW_ON_FAULT_
Series RTW_SERIES_
Cause RTW_CAUSE_
Export RTW_EXPORT_
HostClass RTW_HOST_CLASS_
HostSeverity RTW_HOST_SEVERITY_
HostApply RTW_HOST_APPLY_
HostState :RTW_HOST_GOOD :RTW_HOST_BAD :RTW_HOST_UNKNOWN :RTW_HOST_SKIPPED
HostVerdict :RTW_HOST_READY :RTW_HOST_READY_WITH_WARNINGS :RTW_HOST_NOT_READY
CompileOpt RTW_COMPILE_OPT_
CompileInterruption RTW_COMPILE_INTERRUPTION_
CompileReservation RTW_COMPILE_RESERVATION_
"""
FLAGS = {"HostFlag", "MapFlag", "BlockFlag", "Cause", "ResetObstacle"}


def syntax_tree(header):
    """The declarations of a header, as clang has parsed them."""
    clang = os.environ.get("CLANG", "clang-19")
    command = [clang, "-std=c99", "-x", "c", "-fsyntax-only", "-Xclang", "-ast-dump=json", str(header)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["inner"]


def plain(c_type):
    """A type as a reader would write it: without `struct` before names that are types."""
    return re.sub(r"\b(?:struct|union) (?=rtw_)", "", c_type)


def with_count(entry, c_type):
    """Adds a type to an entry, and of an array the number of elements."""
    array = re.fullmatch(r"(.*\S) ?\[(\d+)\]", plain(c_type))
    entry["type"] = array[1] if array else plain(c_type)
    if array:
        entry["count"] = int(array[2])
    return entry


def value(text):
    number = text.split(maxsplit=2)[2]
    return 2**64 - 1 if number == "UINT64_MAX" else int(number, 0)


def role(comment):
    """The role tag, such as "[rt & attached]"."""
    return next(match[0] for match in (re.match(r"\[[^\]]*\]", line.strip()) for line in comment.split("\n")) if match)


def arguments(text):
    """The arguments of a callback, whose names clang does not keep."""
    found = []
    for argument in re.search(r"\(\*\w+\)\((.*)\)", text, re.S)[1].split(","):
        c_type, name = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*", argument, re.S).groups()
        found.append({"name": name, "type": plain(" ".join(c_type.split()))})
    return found


def homes(include):
    """The header of each declaration."""
    found = {}
    for header in [include / "rtwasm.h", *sorted((include / "rtwasm").glob("*.h")), include / "rtwasm_compiler.h"]:
        for comment, text in declarations(header.read_text()):
            if item := parse_one(comment, text):
                found[item.name] = header.relative_to(include).as_posix()
    return found


def layout(table):
    sizes, offsets = {}, {}
    for line in Path(table).read_text().splitlines():
        name, first, second = line.split()
        (offsets if "." in name else sizes)[name] = int(first), int(second)
    return sizes, offsets


def describe(include):
    headers = {"rtwasm": include / "rtwasm.h", "rtwasm_compiler": include / "rtwasm_compiler.h"}
    sizes, offsets = layout(os.environ.get("LAYOUT", ROOT / "tests/abi/layout.txt"))
    home = homes(include)
    tree = syntax_tree(headers["rtwasm_compiler"])  # which includes the other
    functions = {node["name"]: node for node in tree if node["kind"] == "FunctionDecl" and node["name"].startswith("rtw_")}
    records = {node["name"]: node for node in tree if node["kind"] == "RecordDecl" and "name" in node and node.get("completeDefinition")}
    aliases = {node["name"]: node for node in tree if node["kind"] == "TypedefDecl"}
    api = {"about": "The C API of rtwasm as data. Written by `make api` from the headers; do not edit.",
           "version": ".".join(str(value(item.text)) for item in parse(headers["rtwasm"]) if item.name.startswith("RTW_VERSION_")),
           "functions": [], "structs": [], "handles": [], "callbacks": [], "aliases": [], "enums": [], "constants": []}
    constants = []
    for library, header in headers.items():
        for item in parse(header):
            named = {"name": item.name, "header": home[item.name]}
            if item.kind == "function":
                node = functions[item.name]
                parameters = [child for child in node.get("inner", []) if child["kind"] == "ParmVarDecl"]
                api["functions"].append(named | {
                    "library": library, "role": role(item.comment), "nonblocking": item.text.rstrip(";").endswith("RTW_NONBLOCKING"),
                    "returns": plain(node["type"]["qualType"].split("(")[0].strip()),
                    "arguments": [{"name": child["name"], "type": plain(child["type"]["qualType"])} for child in parameters]})
            elif item.kind == "record":
                node = records[item.name]
                size, align = sizes[item.name]
                fields = []
                for child in (child for child in node["inner"] if child["kind"] == "FieldDecl"):
                    offset, field_size = offsets[f"{item.name}.{child['name']}"]
                    fields.append(with_count({"name": child["name"]}, child["type"]["qualType"]) | {"offset": offset, "size": field_size})
                init = item.name.removesuffix("_t") + "_init_sized"
                api["structs"].append(named | {"kind": node["tagUsed"], "size": size, "align": align,
                                               "init": init if init in functions else None, "fields": fields})
            elif item.kind == "opaque":
                destroy = item.name.removesuffix("_t") + "_destroy"
                api["handles"].append(named | {"destroy": destroy if destroy in functions else None})
            elif item.kind == "alias" and "(*" in item.text:
                returns = plain(aliases[item.name]["type"]["qualType"].split("(")[0].strip())
                api["callbacks"].append(named | {"returns": returns, "arguments": arguments(item.text)})
            elif item.kind == "alias":
                api["aliases"].append(named | {"type": plain(aliases[item.name]["type"]["qualType"])})
            elif item.kind == "constant":
                constants.append(named | {"value": value(item.text)})
    for line in ENUMS.strip().splitlines():
        name, *patterns = line.split()
        starts = tuple(pattern for pattern in patterns if pattern[0] != ":")
        whole = {pattern[1:] for pattern in patterns if pattern[0] == ":"}
        of_this = [c for c in constants if starts and c["name"].startswith(starts) or c["name"] in whole]
        of_this.sort(key=lambda c: c["name"] != "RTW_OK")
        short = [next((c["name"].removeprefix(s) for s in starts if c["name"].startswith(s)), c["name"].removeprefix("RTW_")) for c in of_this]
        shared = os.path.commonprefix([s for s in short]) if not starts and len(short) > 1 else ""
        shared = shared[:shared.rfind("_") + 1]
        constants = [c for c in constants if c not in of_this]
        api["enums"].append({"name": name, "flags": name in FLAGS,
                             "values": [c | {"short": s.removeprefix(shared)} for c, s in zip(of_this, short)]})
    api["constants"] = constants
    return api


def lines_of(api):
    """JSON with a line for each thing that may change, so that a change of the API is a change of few lines."""
    parts = []
    for key, entries in api.items():
        if not isinstance(entries, list):
            parts.append(f' "{key}": {json.dumps(entries)}')
            continue
        lines = []
        for entry in entries:
            inner = next((name for name in ("fields", "values") if name in entry), None)
            if inner:
                outer = json.dumps({name: part for name, part in entry.items() if name != inner})
                lines.append(f'  {outer[:-1]}, "{inner}": [\n   ' + ",\n   ".join(map(json.dumps, entry[inner])) + "\n  ]}")
            else:
                lines.append("  " + json.dumps(entry))
        parts.append(f' "{key}": [\n' + ",\n".join(lines) + "\n ]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


# ---- Python

SCALARS = {"int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64", "size_t": "c_size_t",
           "float": "c_float", "double": "c_double", "uint8_t": "c_uint8", "int8_t": "c_int8", "int16_t": "c_int16", "uint16_t": "c_uint16", "int": "c_int",
           "char": "c_char"}


class Python:
    """The declarations for ctypes. A handle is an address, c_void_p."""

    def __init__(self, api):
        self.api = api
        self.structs = {struct["name"] for struct in api["structs"]}
        self.callbacks = {callback["name"] for callback in api["callbacks"]}
        self.aliases = {alias["name"]: alias["type"] for alias in api["aliases"]}

    def type(self, c_type):
        c_type = re.sub(r"\bconst\b ?", "", c_type).replace(" *", "*").strip()
        c_type = self.aliases.get(c_type, c_type)
        if c_type == "void":
            return "None"
        if c_type in SCALARS:
            return SCALARS[c_type]
        if c_type in self.structs or c_type in self.callbacks:
            return c_type
        target = c_type.removesuffix("*")
        if target == c_type:
            raise ValueError(f"{c_type} is no type that Python's declarations know")
        if target in self.structs:
            return f"POINTER({target})"
        if target == "char":
            return "c_char_p"
        if target.endswith("*"):
            return f"POINTER({self.type(target)})"
        return f"POINTER({SCALARS[target]})" if target in SCALARS else "c_void_p"

    def field(self, field):
        c = self.type(field["type"])
        # A text that the library writes is a place, not a value.
        c = "c_void_p" if field["type"] == "char *" else c
        return f"{c} * {field['count']}" if "count" in field else c

    def seen(self, c):
        """What a reader of a field of that type gets."""
        if c.startswith("c_char * "):
            return "bytes"
        if c in ("c_float", "c_double"):
            return "float"
        if c == "c_char_p":
            return "bytes | None"
        if re.fullmatch(r"c_u?int\d*|c_size_t", c):
            return "int"
        return c if c in self.structs else "Any"

    def text(self):
        yield '"""The C API for ctypes. Written by `make api` from the headers; do not edit."""'
        yield "from __future__ import annotations\n"
        yield "from ctypes import (CDLL, CFUNCTYPE, POINTER, Structure, Union, c_char, c_char_p, c_double, c_float, c_int, c_int8, c_int16,"
        yield "                    c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)"
        yield "from enum import IntEnum, IntFlag"
        yield "from typing import Any, Callable, TypedDict\n"
        yield f"VERSION = {tuple(map(int, self.api['version'].split('.')))}"
        for constant in self.api["constants"]:
            yield f"{constant['name']} = {constant['value']}"
        for enum in self.api["enums"]:
            yield f"\n\nclass {enum['name']}({'IntFlag' if enum['flags'] else 'IntEnum'}):"
            yield from (f"    {v['short']} = {v['value']}" for v in enum["values"])
        yield "\n"
        # A callback may take a struct, and a struct have a callback.
        declared = set()
        for entry in sorted(self.api["structs"] + self.api["callbacks"], key=self.order):
            yield from self.callback(entry) if entry["name"] in self.callbacks else self.struct(entry)
            declared.add(entry["name"])
        yield from self.dicts()
        yield "FUNCTIONS: dict[str, dict[str, tuple[Any, list[Any]]]] = {"
        for library in ("rtwasm", "rtwasm_compiler"):
            yield f'    "{library}": {{'
            for f in (f for f in self.api["functions"] if f["library"] == library):
                yield f"        \"{f['name']}\": ({self.type(f['returns'])}, [{', '.join(self.type(a['type']) for a in f['arguments'])}]),"
            yield "    },"
        yield "}\n"
        for library in ("rtwasm", "rtwasm_compiler"):
            name = {"rtwasm": "Library", "rtwasm_compiler": "CompilerLibrary"}[library]
            yield f"\nclass {name}:\n    \"\"\"The functions of lib{library}, each with its types.\"\"\"\n"
            for f in (f for f in self.api["functions"] if f["library"] == library):
                c = self.type(f["returns"])
                yield f"    {f['name']}: Callable[..., {'None' if c == 'None' else 'Any' if c == 'c_void_p' else self.seen(c)}]"
            yield "\n    def __init__(self, path: str) -> None:\n        library = CDLL(path)"
            yield f"        for name, (returns, arguments) in FUNCTIONS[\"{library}\"].items():"
            yield "            function = getattr(library, name)"
            yield "            function.restype, function.argtypes = returns, arguments"
            yield "            setattr(self, name, function)\n"

    def order(self, entry):
        return self.depth(entry["name"])

    def depth(self, name):
        entry = next((e for e in self.api["structs"] + self.api["callbacks"] if e["name"] == name), None)
        if entry is None:
            return 0
        used = [re.sub(r"const |[ *]", "", part["type"]) for part in entry.get("fields", entry.get("arguments"))]
        return 1 + max((self.depth(other) for other in used), default=0)

    def callback(self, entry):
        types = [self.type(entry["returns"]), *(self.type(a["type"]) for a in entry["arguments"])]
        # Bytes that are not terminated by a zero are an address.
        types = ["c_void_p" if t == "c_char_p" else t for t in types]
        yield f"{entry['name']} = CFUNCTYPE({', '.join(types)})\n\n"

    def struct(self, entry):
        fields = [(field["name"], self.field(field)) for field in entry["fields"]]
        yield f"class {entry['name']}({'Union' if entry['kind'] == 'union' else 'Structure'}):"
        yield from (f"    {name}: {self.seen(c)}" for name, c in fields)
        yield "    _fields_ = [" + ",\n                ".join(f'("{name}", {c})' for name, c in fields) + "]\n\n"

    def dicts(self):
        """A TypedDict for each struct that a reader gets as a dict: those without pointers but to texts."""
        names = {}
        for struct in sorted((s for s in self.api["structs"] if s["kind"] == "struct"), key=self.order):
            known = {"c_char_p": "str", "float": "float"}
            fields = []
            for field in struct["fields"]:
                c = self.field(field)
                seen = "str" if c == "c_char_p" or c.startswith("c_char * ") else names.get(c) or self.seen(c)
                if c in ("rtw_public_key_t",) or c.startswith("c_uint8 * "):
                    seen = "bytes"
                elif re.match(r"c_u?int\d+ \* ", c):
                    seen = "list[int]"
                fields.append((field["name"], seen, c))
            if any(seen == "Any" or c.endswith("_t") and c not in names and seen != "bytes" for _, seen, c in fields):
                continue
            short = "".join(part.capitalize() for part in struct["name"].removeprefix("rtw_").removesuffix("_t").split("_"))
            names[struct["name"]] = short
            yield f"class {short}(TypedDict):"
            yield from (f"    {name}: {seen}" for name, seen, _ in fields if name not in ("struct_size", "reserved"))
            yield "\n"


# ---- Lua

def lua(api):
    yield "-- The C API for LuaJIT's ffi. Written by `make api` from the headers; do not edit."
    yield 'local ffi = require("ffi")'
    yield "ffi.cdef[["
    for alias in api["aliases"]:
        yield f"typedef {alias['type']} {alias['name']};"
    for handle in api["handles"]:
        yield f"typedef struct {handle['name']} {handle['name']};"
    order = Python(api)
    for entry in sorted(api["structs"] + api["callbacks"], key=order.order):
        if "fields" in entry:
            yield f"typedef {entry['kind']} {entry['name']} {{"
            for field in entry["fields"]:
                yield f"    {spell(field['type'], field['name'])}{'[%d]' % field['count'] if 'count' in field else ''};"
            yield f"}} {entry['name']};"
        else:
            yield f"typedef {entry['returns']} (*{entry['name']})({', '.join(spell(a['type'], a['name']) for a in entry['arguments'])});"
    for f in api["functions"]:
        yield spell(f["returns"], f["name"]) + f"({', '.join(spell(a['type'], a['name']) for a in f['arguments']) or 'void'});"
    yield "]]"
    yield "local api = { version = { %s }, enums = {} }" % ", ".join(api["version"].split("."))
    for constant in api["constants"]:
        number = f"{constant['value']}ULL" if constant["value"] >= 2**53 else constant["value"]
        yield f"api.{constant['name']} = {number}"
    for enum in api["enums"]:
        yield f"api.enums.{enum['name']} = {{ {', '.join('%s = %d' % (v['short'], v['value']) for v in enum['values'])} }}"
        yield from (f"api.{v['name']} = {v['value']}" for v in enum["values"])
    yield "return api"


def spell(c_type, name):
    """A declaration: `const char *name`, `uint32_t name`."""
    return f"{c_type}{name}" if c_type.endswith("*") else f"{c_type} {name}"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out, include = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "include")
    api = describe(include)
    write(out / "api.json", lines_of(api))
    write(out / "python/rtwasm/_api.py", "\n".join(Python(api).text()).rstrip() + "\n")
    write(out / "lua/rtwasm_api.lua", "\n".join(lua(api)) + "\n")


if __name__ == "__main__":
    main()
