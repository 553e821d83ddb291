"""A header as it was, or will be: `variants.py older|newer TABLE HEADER OUT`.

older: every struct that grows has lost its last fields, as many as take it to a smaller size; TABLE is tests/abi/layout.txt.
newer: each has one field more, `planted`.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "header"))
from cheader import flat, parse  # noqa: E402 (it is found there)
from layout import rows  # noqa: E402


# Grows without a size of its own: the arrays of it carry their stride.
STRIDED = {"rtw_export_subject_t"}


def cut(record, layout):
    """The first of the last fields without which the struct is smaller."""
    size = layout[record.name][""][0]
    align = layout[record.name][""][1]
    for field in reversed(record.fields):
        offset = layout[record.name][field.name][0]
        if -(-offset // align) * align < size:
            return field
    raise ValueError(f"{record.name} has nothing to lose")


def main(kind, table, header, out):
    layout = {}
    for struct, field, first, second in rows(table):
        layout.setdefault(struct, {})[field] = (first, second)
    text = flat(header)
    changed = 0
    for record in (item for item in parse(header) if item.kind == "record"):
        if record.fields[0].name != "struct_size" and record.name not in STRIDED:
            continue
        begin = text.index(f"typedef struct {record.name} {{")
        end = text.index(f"}} {record.name};", begin)
        if kind == "older":
            begin = text.index("\n    " + cut(record, layout).text.strip(), begin, end)
            text = text[:begin] + "\n" + text[end:]
        else:
            text = text[:end] + "    uint64_t planted;\n" + text[end:]
        changed += 1
    if not changed:
        raise ValueError(f"{header}: no struct grows")
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("older", "newer"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
