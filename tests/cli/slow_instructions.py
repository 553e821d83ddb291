#!/usr/bin/env python3
"""Derives which WebAssembly instructions take a call or a long sequence of instructions at a CPU level, from what the compiler makes
of each: `slow_instructions.py RTWASM FOLDER TABLE.rs`. Fails if they differ from the compiler's table.

Each instruction is compiled alone, at every level and with single features; what is counted is its function's instructions. objdump
reads the code, which is an ELF file in the artifact.
"""
import pathlib
import re
import subprocess
import sys

# A sequence is long if it has this many instructions more than the shortest that there is.
LONG = 5
V2 = "cmpxchg16b,popcnt,sse3,ssse3,sse41,sse42"
# The candidates in the order in which they are tried: the lowest level first, and in it the single features.
FEATURES = ["ssse3", "popcnt", "sse41", "sse42", "avx", "avx2", "bmi1", "bmi2", "lzcnt", "fma", "avx512vl,avx512f", "avx512vl,avx512dq"]
BEST = V2 + ",avx2,bmi1,bmi2,fma,lzcnt,avx512f,avx512dq,avx512vl"

INT, FLOAT = ["i32", "i64"], ["f32", "f64"]
LANES = ["i8x16", "i16x8", "i32x4", "i64x2"]


def instructions():
    """Each instruction's text, its operands' types and its result."""
    for t in INT:
        for op in "clz ctz popcnt".split():
            yield f"{t}.{op}", [t], t
        for op in "mul div_s div_u rem_s rem_u shl shr_s shr_u rotl rotr".split():
            yield f"{t}.{op}", [t, t], t
        for f in FLOAT:
            for sign in "su":
                yield f"{t}.trunc_{f}_{sign}", [f], t
                yield f"{t}.trunc_sat_{f}_{sign}", [f], t
                yield f"{f}.convert_{t}_{sign}", [t], f
    for t in FLOAT:
        for op in "abs neg sqrt ceil floor trunc nearest".split():
            yield f"{t}.{op}", [t], t
        for op in "add sub mul div min max copysign".split():
            yield f"{t}.{op}", [t, t], t
    for t in ["f32x4", "f64x2"]:
        for op in "abs neg sqrt ceil floor trunc nearest".split():
            yield f"{t}.{op}", ["v128"], "v128"
        for op in "add sub mul div min max pmin pmax relaxed_min relaxed_max eq ne lt le gt ge".split():
            yield f"{t}.{op}", ["v128"] * 2, "v128"
        for op in "relaxed_madd relaxed_nmadd".split():
            yield f"{t}.{op}", ["v128"] * 3, "v128"
        yield f"{t}.splat", [t[:3]], "v128"
    for t in LANES:
        for op in "abs neg".split():
            yield f"{t}.{op}", ["v128"], "v128"
        for op in "all_true bitmask".split():
            yield f"{t}.{op}", ["v128"], "i32"
        for op in "add sub eq ne lt_s gt_s le_s ge_s".split():
            yield f"{t}.{op}", ["v128"] * 2, "v128"
        for op in "shl shr_s shr_u".split():
            yield f"{t}.{op}", ["v128", "i32"], "v128"
        yield f"{t}.splat", ["i64" if t == "i64x2" else "i32"], "v128"
        yield f"{t}.relaxed_laneselect", ["v128"] * 3, "v128"
        if t != "i64x2":
            for op in "lt_u gt_u le_u ge_u min_s min_u max_s max_u".split():
                yield f"{t}.{op}", ["v128"] * 2, "v128"
        if t != "i8x16":
            yield f"{t}.mul", ["v128"] * 2, "v128"
            below = LANES[LANES.index(t) - 1]
            for end in ["low", "high"]:
                for sign in "su":
                    yield f"{t}.extend_{end}_{below}_{sign}", ["v128"], "v128"
                    yield f"{t}.extmul_{end}_{below}_{sign}", ["v128"] * 2, "v128"
    for t in ["i8x16", "i16x8"]:
        for op in "add_sat_s add_sat_u sub_sat_s sub_sat_u avgr_u".split():
            yield f"{t}.{op}", ["v128"] * 2, "v128"
    for op in "i8x16.swizzle i8x16.relaxed_swizzle i16x8.q15mulr_sat_s i16x8.relaxed_q15mulr_s i32x4.dot_i16x8_s i8x16.narrow_i16x8_s " \
              "i8x16.narrow_i16x8_u i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u i16x8.relaxed_dot_i8x16_i7x16_s".split():
        yield op, ["v128"] * 2, "v128"
    yield "i32x4.relaxed_dot_i8x16_i7x16_add_s", ["v128"] * 3, "v128"
    yield "i8x16.popcnt", ["v128"], "v128"
    yield "i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31", ["v128"] * 2, "v128"
    for t, f in [("i16x8", "i8x16"), ("i32x4", "i16x8")]:
        for sign in "su":
            yield f"{t}.extadd_pairwise_{f}_{sign}", ["v128"], "v128"
    for op in "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero " \
              "i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u i32x4.relaxed_trunc_f64x2_s_zero " \
              "i32x4.relaxed_trunc_f64x2_u_zero f32x4.convert_i32x4_s f32x4.convert_i32x4_u f64x2.convert_low_i32x4_s " \
              "f64x2.convert_low_i32x4_u f32x4.demote_f64x2_zero f64x2.promote_low_f32x4".split():
        yield op, ["v128"], "v128"
    yield "v128.bitselect", ["v128"] * 3, "v128"
    yield "v128.any_true", ["v128"], "i32"


def module(listed):
    functions = []
    for number, (text, operands, result) in enumerate(listed):
        loads = " ".join(f"local.get {i}" for i in range(len(operands)))
        functions.append(f'(func (export "f{number}") (param {" ".join(operands)}) (result {result}) {loads} {text})')
    # The engine's own functions follow the module's last one: this one stands between.
    functions.append("(func)")
    return "(module\n" + "\n".join(functions) + ")\n"


def counts(rtwasm, folder, level):
    """For each function: its instructions, and whether a call is among them."""
    artifact, elf = folder / "each.rtw", folder / "each.elf"
    subprocess.run([rtwasm, "compile", "-q", "--target", "x86_64-unknown-linux-gnu", "--budget", "off", "--cpu", level,
                    folder / "each.wat", "-o", artifact], check=True)
    content = artifact.read_bytes()
    elf.write_bytes(content[content.index(b"\x7fELF") :])
    # The file has no symbols: a function begins where its frame is made, at a multiple of 32 bytes, and they come in their order.
    text = folder / "each.text"
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", elf, text], check=True)
    code = text.read_bytes()
    starts = [at for at in range(0, len(code), 32) if code[at : at + 4] == b"\x55\x48\x89\xe5"]
    named = folder / "each.named"
    symbols = [f"--add-symbol=f{number}=.text:{start:#x},function" for number, start in enumerate(starts)]
    subprocess.run(["objcopy", *symbols, elf, named], check=True)
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", named], check=True, capture_output=True, text=True).stdout
    found = {}
    for block in re.split(r"\n\n(?=[0-9a-f]+ <)", listing):
        name = re.match(r"[0-9a-f]+ <f(\d+)>", block)
        if name:
            lines = [line for line in block.splitlines()[1:] if ":\t" in line]
            # Padding and constants follow the last return; a trap's ud2 after it does not count.
            last = max((i for i, line in enumerate(lines) if "\tret" in line), default=len(lines))
            found[int(name.group(1))] = (last, any("\tcall" in line for line in lines[:last]))
    return found


def main():
    rtwasm, folder, table = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).read_text()
    folder.mkdir(parents=True, exist_ok=True)
    listed = list(instructions())
    (folder / "each.wat").write_text(module(listed))
    at = {feature: counts(rtwasm, folder, feature) for feature in ["baseline", V2, *FEATURES, BEST]}
    derived = set()
    for number, (text, _, _) in enumerate(listed):
        best, _ = at[BEST][number]

        def is_slow(features):
            count, calls = at[features][number]
            return calls or count >= best + LONG

        if is_slow("baseline") or is_slow(V2):
            mended = next((feature for feature in FEATURES if not is_slow(feature)), "?")
            how = "Call" if at["baseline"][number][1] else "Long"
            derived.add((text.split()[0], "has_" + mended.split(",")[-1], how))
    committed = set(re.findall(r'^    \w+: "([^"]+)", "(\w+)", (\w+);$', table, re.MULTILINE))
    for row in sorted(derived - committed):
        print("missing in the table:", *row)
    for row in sorted(committed - derived):
        print("in the table, but not so:", *row)
    print(f"{len(derived)} of {len(listed)} instructions are slow somewhere")
    sys.exit(derived != committed)


main()
