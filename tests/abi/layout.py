"""The layout of the API's structs, as a table and as programs. `layout.py COMMAND FILE...`

probe HEADER...       a C program that prints the table of what the headers declare: tests/abi/layout.txt was made so
asserts TABLE         a C11 program that compiles only where the layout is the table's
rust TABLE SOURCE...  the unit test in src/capi that compares the library's own types with the table; the sources tell in
                      which module a type is

A line of the table is `STRUCT SIZE ALIGN` or `STRUCT.FIELD OFFSET SIZE`, all in bytes.
"""
import os
import re
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "header"))
from cheader import parse  # noqa: E402 (it is found there)


def probe(*headers):
    print("#include <stdio.h>", *(f'#include "{os.path.basename(header)}"' for header in headers), sep="\n")
    print("int main(void)\n{")
    for record in (item for header in headers for item in parse(header) if item.kind == "record"):
        t = record.name
        print(f'    printf("{t} %zu %zu\\n", sizeof({t}), _Alignof({t}));')
        for f in (field.name for field in record.fields):
            print(f'    printf("{t}.{f} %zu %zu\\n", offsetof({t}, {f}), sizeof((({t} *)0)->{f}));')
    print("}")


def rows(table):
    """(struct, field or "", first number, second number)"""
    with open(table, encoding="utf-8") as file:
        for line in file:
            name, first, second = line.split()
            struct, _, field = name.partition(".")
            yield struct, field, int(first), int(second)


def asserts(table):
    print('#include "rtwasm.h"\n#include "rtwasm_compiler.h"')
    for t, f, first, second in rows(table):
        measured = (f"offsetof({t}, {f})", f"sizeof((({t} *)0)->{f})") if f else (f"sizeof({t})", f"_Alignof({t})")
        for expression, number in zip(measured, (first, second)):
            print(f'_Static_assert({expression} == {number}, "{expression}");')


RUST = """\
//! The library's types have the layout that C was promised: tests/abi/layout.txt, to which tests/abi/test_abi.sh holds the
//! C compilers. Written by tests/abi/layout.py; the test itself tells when a type or field is missing here.

use std::mem::{{MaybeUninit, align_of, offset_of, size_of}};

{uses}

fn size_of_pointee<T>(_: *const T) -> usize {{
    size_of::<T>()
}}

/// The table's lines for one type.
macro_rules! lines {{
    ($t:ident: $($field:ident)*) => {{{{
        let place = MaybeUninit::<$t>::uninit();
        let mut lines = vec![format!("{{}} {{}} {{}}", stringify!($t), size_of::<$t>(), align_of::<$t>())];
        $({{
            // SAFETY: the field lies inside `place`; its address is taken, nothing is read.
            let size = size_of_pointee(unsafe {{ &raw const (*place.as_ptr()).$field }});
            lines.push(format!("{{}}.{{}} {{}} {{}}", stringify!($t), stringify!($field), offset_of!($t, $field), size));
        }})*
        lines
    }}}};
}}

#[test]
fn types_have_the_layout_that_c_was_promised() {{
    // The compiler's types belong to another library.
    let table = include_str!("../../tests/abi/layout.txt").lines().filter(|line| !line.starts_with("rtw_compile_"));
    let ours = [
{lines}
    ];
    assert_eq!(ours.concat(), table.collect::<Vec<_>>());
}}
"""


def wrapped(line):
    return textwrap.fill(line, 128, initial_indent=" " * 8, subsequent_indent=" " * 12)


def rust(table, *sources):
    fields = {}
    for t, f, _, _ in rows(table):
        if not t.startswith("rtw_compile_"):
            fields.setdefault(t, []).extend([f] if f else [])
    uses = []
    for source in sources:
        module = os.path.splitext(os.path.relpath(source, "src/capi"))[0].removesuffix("/mod").replace("/", "::")
        with open(source, encoding="utf-8") as file:
            here = sorted(set(re.findall(r"^pub (?:struct|union) (\w+)", file.read(), re.M)) & fields.keys())
        if here:
            uses.append(f"use super::{module}::" + (here[0] if len(here) == 1 else "{" + ", ".join(here) + "}") + ";")
    lines = [wrapped(f"lines!({t}: {' '.join(names)}),") for t, names in fields.items()]
    print(RUST.format(uses="\n".join(sorted(uses)), lines="\n".join(lines)), end="")


if __name__ == "__main__":
    command, *files = sys.argv[1:] or [""]
    commands = {"probe": probe, "asserts": asserts, "rust": rust}
    if command not in commands or not files:
        sys.exit(__doc__)
    commands[command](*files)
