#!/usr/bin/env python3
"""Writes the page of figures and its pictures: `page.py FIGURES.json FOLDER` makes performance.md and performance-*.svg there.

The figures are those that rivals.py wrote. The same figures make the same page, byte by byte."""
import json
import math
import os
import re
import sys
from html import escape

GROUPS = {
    "kernel": ("Kernels", "Median ns per run. Last row: geometric mean of time relative to native."),
    "call": ("Calls", "Median ns per call, of batches of calls."),
    "cold": ("Cold calls", "ns of a call, median / 99th percentile, with the time that reading the clock takes. Before each call, the process sleeps,\n"
             "or writes {flush} MiB of other data."),
    "first": ("First calls", "Median µs."),
    "instance": ("Instances", "Median µs, of a module with one page of memory. In turn: the median of {turns} passes over all instances in each round."),
    "load": ("Loading", "Median µs; in parentheses the page faults / system calls of a load, if they were counted."),
    "start": ("Start of a process", "Median µs. Each process reports its own steps."),
    "memory": ("Memory", "KiB of resident memory. The instance has no linear memory."),
    "allocations": ("Allocations", "Number of calls of malloc, calloc, realloc and the like."),
}
COLOURS = ("#333333", "#999999", "#1f77b4", "#17becf", "#9467bd", "#d62728", "#ff7f0e", "#e377c2", "#8c564b", "#bcbd22", "#c49c94", "#2ca02c",
           "#c5b0d5", "#393b79")
NONE = "–"
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
KERNEL_FOLDERS = ("guests/kernels", "bench/rivals/guests")


def number(value):
    """Three digits that count."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 3)}f}".replace(",", " ")


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


class Page:
    def __init__(self, told):
        self.told = told
        self.rows = {(row["case"], row["subject"]): row for row in told["rows"]}
        self.names = [subject["name"] for subject in told["subjects"]]

    def cases(self, group):
        return [case for case in self.told["cases"] if case["group"] == group]

    def having(self, group):
        """The rivals that have a figure in the group."""
        keys = {case["case"] for case in self.cases(group)}
        return [name for name in self.names if any((key, name) in self.rows for key in keys)]

    def cell(self, case, name):
        row = self.rows.get((case["case"], name))
        if row is None:
            return NONE
        group, value = case["group"], row["p50"]
        if group == "memory":
            return number(value / 1024)
        if group == "allocations":
            return f"{value:g}"
        if group in ("kernel", "call"):
            return number(value)
        if group == "cold":
            return f"{number(value)} / {number(row['p99'])}"
        text = number(value / 1000)
        if "system_calls" in row and row["system_calls"] is not None:
            text += f" ({row['page_faults']:g} / {row['system_calls']:g})"
        return text

    def table(self, group):
        names = self.having(group)
        lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
        lines += [f"| {case['title']} | " + " | ".join(self.cell(case, name) for name in names) + " |" for case in self.cases(group)]
        if group == "kernel":
            lines.append("| geometric mean, relative to native | " + " | ".join(self.mean(name) for name in names) + " |")
        return lines

    def mean(self, name):
        ratios = [self.rows[case["case"], name]["ratio"] for case in self.cases("kernel")]
        return f"{geometric_mean(ratios):.2f}"

    def conditions(self):
        told = self.told["conditions"]
        machine = f"{told['cpu']}, {told['cpus']} CPUs{', a virtual machine' if told['virtual'] else ''}, Linux {told['kernel']}"
        return [
            f"Measured on {told['date']}: {machine}.",
            f"Each rival is a process of its own, pinned to CPU {told['pinned_to']}, with normal scheduling. The rivals take turns in each of "
            f"{told['rounds']} rounds.",
            f"A batch of calls takes about {told['batch_us'] / 1000:g} ms. The load average before was {told['load_before']:.2f}.",
            "Each result was compared with that of native code, before and after it was timed.", *self.noise(),
        ]

    def noise(self):
        """A line on how much the same kernel's time varies from round to round; none if no kernel was measured."""
        first = [self.rows[case["case"], self.names[0]] for case in self.cases("kernel")]
        if not first:
            return []
        times = geometric_mean([row["p90"] / row["p50"] for row in first])
        return [f"Noise: in the slowest tenth of the rounds a kernel of native code took at least {times:.2f} times its median (geometric mean)."]

    def work(self):
        """A table of what a run of each kernel computes: the first comment of its source."""
        rows = []
        for case in self.cases("kernel"):
            for folder in KERNEL_FOLDERS:
                source = os.path.join(ROOT, folder, case["title"] + ".c")
                if os.path.exists(source):
                    with open(source) as file:
                        comment = re.match(r"/\* (.*?) \*/", file.read(), re.DOTALL).group(1).replace("\n *", "")
                    rows.append(f"| {case['title']} | {comment} |")
        return ["| kernel | a run |", "|---|---|", *rows] if rows else []

    def text(self):
        lines = [
            "# Performance", "",
            "`bench/rivals/page.py` writes this page from `bench/rivals/figures.json`; `make bench-rivals UPDATE=1` measures anew and writes both.",
            "Figures are of one machine; ratios hold on other machines more often than times do.", "",
            *self.conditions(), "", "## Rivals", "",
            "| rival | what it is | library, stripped |", "|---|---|---|",
        ]
        for subject in self.told["subjects"]:
            size = subject["library_bytes"]
            lines.append(f"| {subject['name']} | {subject['about']} | {NONE if size is None else f'{size / 1e6:.2f} MB'} |")
        for one in self.told["left_out"]:
            lines.append(f"| {one['subject']} | not measured in this run: {one['why']} | {NONE} |")
        for group, (title, about) in GROUPS.items():
            if not self.cases(group):
                continue
            lines += ["", f"## {title}", "", about.format(flush=self.told["conditions"]["flush_bytes"] >> 20, turns=self.told["conditions"]["turns"]), ""]
            lines += self.table(group)
            if group == "kernel":
                lines += ["", *self.work()]
            if self.reasons(group):
                lines += ["", *self.reasons(group)]
            if group in PICTURES:
                lines += ["", f"![{title}](performance-{group}.svg)"]
        return "\n".join(lines) + "\n"

    def reasons(self, group):
        """Those that have no figure, by the reason."""
        why = {}
        for case in self.cases(group):
            for one in self.told["absent"]:
                if one["case"] == case["case"]:
                    names = why.setdefault((case["title"], one["why"]), [])
                    names.append(one["subject"])
        rows = [f"| {title} | {reason} | {'; '.join(names)} |" for (title, reason), names in why.items()]
        return ["| no figure | why | of |", "|---|---|---|", *rows] if rows else []

    def picture(self, group):
        """A row for each case, a dot for each rival, on a logarithmic scale."""
        value, axis = PICTURES[group]
        names = [name for name in self.having(group) if self.names.index(name) < len(COLOURS)]
        rows = []
        for case in self.cases(group):
            dots = [(name, value(self.rows[case["case"], name])) for name in names if (case["case"], name) in self.rows]
            rows.append((case["title"], [(name, x) for name, x in dots if x]))
        low = min(x for _, dots in rows for _, x in dots)
        high = max(x for _, dots in rows for _, x in dots)
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) + 1e-9)
        left, width, step = 290, 560, 24
        legend = 20 * ((len(names) + 2) // 3)
        top = 30 + legend
        bottom = top + step * len(rows)

        def place(x):
            return left + width * (math.log10(x) - first) / (last - first)

        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{bottom + 50}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
        ]
        for at, name in enumerate(names):
            x, y = 20 + 270 * (at % 3), 20 + 20 * (at // 3)
            out.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{COLOURS[self.names.index(name)]}"/><text x="{x + 10}" y="{y + 4}">{escape(name)}</text>')
        for power in range(first, last + 1):
            x = place(10.0 ** power)
            out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#dddddd"/>')
            out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{10.0 ** power:g}</text>')
        for at, (title, dots) in enumerate(rows):
            y = top + step * at + step // 2
            out.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(title)}</text>')
            out.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#eeeeee"/>')
            for name, x in dots:
                out.append(f'<circle cx="{place(x):.1f}" cy="{y}" r="5" fill="{COLOURS[self.names.index(name)]}" fill-opacity="0.8">'
                           f'<title>{escape(name)}: {number(x)}</title></circle>')
        out.append(f'<text x="{left + width / 2:.0f}" y="{bottom + 38}" text-anchor="middle">{escape(axis)}</text>')
        return "\n".join([*out, "</svg>", ""])


# Groups with a picture: the value, and what its axis is.
PICTURES = {
    "kernel": (lambda row: row["ratio"], "time relative to native code"),
    "instance": (lambda row: row["p50"] / 1000, "µs"),
}


def main():
    figures, folder = sys.argv[1:]
    with open(figures) as file:
        page = Page(json.load(file))
    with open(os.path.join(folder, "performance.md"), "w") as file:
        file.write(page.text())
    for group in PICTURES:
        if page.cases(group):
            with open(os.path.join(folder, f"performance-{group}.svg"), "w") as file:
                file.write(page.picture(group))


if __name__ == "__main__":
    main()
