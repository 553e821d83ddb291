#!/usr/bin/env python3
"""The table of `make kernels`.  table.py FOLDER: reads PROFILE.times and PROFILE.counts there."""
import math
import sys
from pathlib import Path

PROFILES = ["standalone", "plugin"]


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def read(folder, profile):
    """(kernel, form) -> the native time, ratios of time by contender, ratios of instructions by contender."""
    counts = {}
    for line in (folder / f"{profile}.counts").read_text().splitlines():
        name, value, _ = line.split()
        counts[tuple(name.split(".")[0].split("-"))] = float(value)
    rows = {}
    for line in (folder / f"{profile}.times").read_text().splitlines():
        kernel, form, native, *others = line.split()
        names = ["stock", "guard", "off"][-len(others):]
        times = {name: float(time) / float(native) for name, time in zip(names, others)}
        instructions = {name: counts[kernel, form, name] / counts[kernel, form, "native"] for name in ["guard", "off"]}
        rows[kernel, form] = (float(native), times, instructions)
    return rows


def main():
    folder = Path(sys.argv[1])
    tables = {profile: read(folder, profile) for profile in PROFILES}
    print("# Times and instructions of a block, beside the native form's. guard: as rtwasm compile makes it; off: --budget off;")
    print("# stock: the stock engine, a call of its C API included.")
    print(f"{'':22} {'native':>9} {'stock':>7} {'standalone':>12} {'':>7} {'plugin':>10} {'':>7} {'instructions':>14} {'':>7}")
    print(f"{'# kernel, form':22} {'ns':>9} {'':>7} {'guard':>12} {'off':>7} {'guard':>10} {'off':>7} {'standalone':>14} {'plugin':>7}")
    for form in ["plain", "header"]:
        columns = []
        for (kernel, of), (native, times, counts) in tables["standalone"].items():
            if of != form:
                continue
            _, in_plugin, plugin_counts = tables["plugin"][kernel, form]
            row = [times.get("stock", math.nan), times["guard"], times["off"], in_plugin["guard"], in_plugin["off"]]
            row += [counts["guard"], plugin_counts["guard"]]
            columns.append(row)
            text = "{:7.2f} {:12.2f} {:7.2f} {:10.2f} {:7.2f} {:14.2f} {:7.2f}".format(*row)
            print(f"{kernel + ' ' + form:22} {native:9.1f} {text}")
        means = [mean(column) for column in zip(*columns)]
        text = "{:7.2f} {:12.2f} {:7.2f} {:10.2f} {:7.2f} {:14.2f} {:7.2f}".format(*means)
        print(f"{'geometric mean ' + form:22} {'':9} {text}")
    print("# What a user gains: the plain form's time beside the header form's, in the standalone profile.")
    for (kernel, form), (native, times, _) in tables["standalone"].items():
        if form == "header":
            plain_native, plain, _ = tables["standalone"][kernel, "plain"]
            print(f"{kernel:22} {plain_native * plain['guard'] / (native * times['guard']):9.2f}")
    return 0


sys.exit(main())
