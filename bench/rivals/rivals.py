#!/usr/bin/env python3
"""Compares what happens outside calls: loading from a file, a process from its start to the first result, and what happens to instances.

`rivals.py SUBJECTS.json OUT.json [ROUNDS]`: each subject is a program (see rival.h) with its arguments, and runs as a process of its own,
pinned to one CPU; the subjects take turns in every round. Loads are compared twice: each module destroyed before the next is loaded, and
`kept`, where all of a round stay until its end. Ratios are medians over rounds, to the subject named first."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

LOADS = 8  # of each subject in a round
CPU = max(os.sched_getaffinity(0))


def pin():
    os.sched_setaffinity(0, {CPU})


class Process:
    def __init__(self, subject):
        self.name = subject["name"]
        self.process = subprocess.Popen(
            [subject["program"], "serve", *subject["arguments"]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} has ended: {line}")
        return None if answer == "none\n" else [int(word) for word in answer.split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def system_calls(subject):
    """The number of system calls of one load: those of 30 loads less those of 10; None without strace."""
    def count(loads):
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["strace", "-f", "-qq", "-o", log.name, subject["program"], "load", str(loads), *subject["arguments"]]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return sum(1 for line in log if not re.search(r"\+\+\+|---|resumed>", line))
    try:
        return (count(30) - count(10)) / 20
    except FileNotFoundError:
        return None


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def row(case, name, rounds, first, **more):
    """`rounds`: a list of ns for each round; `first`: those of the first subject."""
    everything = [ns for one in rounds for ns in one]
    ratios = [statistics.median(own) / statistics.median(other) for own, other in zip(rounds, first)]
    return {
        "case": case, "subject": name, "min_ns": min(everything), "median_ns": statistics.median(everything),
        "p90_ns": quantile(everything, 0.9), "ratio": statistics.median(ratios), **more,
    }


def started(subjects, expected):
    processes = [Process(subject) for subject in subjects]
    for process in processes:
        if process.ask("check") != [expected]:
            raise SystemExit(f"{process.name} computes another result than {expected}")
    return processes


def interleaved(processes, rounds, command):
    """Asks all in turn, once before it counts. Returns the times of each, a list for each round, and its page faults. Those that do not
    have the case are left out."""
    processes = [process for process in processes if process.ask(command) is not None]
    times = {process.name: [] for process in processes}
    faults = {process.name: [] for process in processes}
    for turn in range(rounds):
        for process in processes[turn % len(processes):] + processes[:turn % len(processes)]:
            found, *ns = process.ask(command)
            faults[process.name].append(found / LOADS)
            times[process.name].append(ns)
    return times, {name: statistics.median(found) for name, found in faults.items()}


def compare_loads(case, subjects, rounds, expected, how="load"):
    processes = started(subjects, expected)
    times, faults = interleaved(processes, rounds, f"{how} {LOADS}")
    for process in processes:
        process.close()
    first = times[subjects[0]["name"]]
    return [
        row(case, subject["name"], times[subject["name"]], first, page_faults=faults[subject["name"]],
            system_calls=system_calls(subject) if how == "load" else None, bytes=os.path.getsize(subject["arguments"][0]))
        for subject in subjects
    ]


CASES = {
    "instantiate": "instantiate",
    "prepared": "instantiate and prepare",
    "end": "end of an instance",
    "reset": "trap, and ready again",
    "stateless": "trap, and on without a state",
    "turn": "1024 instances in turn, a call",
}
MANY = 200  # instances, for the memory of one


def compare_cases(subjects, rounds, expected):
    """What happens to instances of a small module; and the memory of one with four funcs."""
    rows = []
    for name, case in CASES.items():
        processes = started(subjects, expected)
        times, faults = interleaved(processes, rounds, f"{name} {LOADS}")
        for process in processes:
            process.close()
        first = next(iter(times.values()))
        rows += [row(case, subject, own, first, page_faults=faults[subject]) for subject, own in times.items()]
    for subject in subjects:
        process = Process(subject)
        print(f"memory of an instance with four funcs, with what is present of its 64 KiB: {subject['name']:44} {process.ask(f'memory {MANY}')[0] / MANY / 1024:7.1f} KiB")
        process.close()
    return rows


def compare_starts(case, subjects, rounds, launcher):
    """From the start of a process to its end, after the first result; and the steps on the way, told by the process."""
    commands = [[subject["program"], "first", *subject["arguments"]] for subject in subjects]
    commands.append([subjects[0]["program"], "empty"])
    names = [subject["name"] for subject in subjects] + ["a process that does nothing, linked as the first"]
    words = [word for command in commands for word in [*command, "--"]][:-1]
    out = subprocess.run([launcher, str(rounds), *words], check=True, capture_output=True, text=True, preexec_fn=pin).stdout
    columns = list(zip(*[[int(word) for word in line.split()] for line in out.splitlines()]))
    rounds_of = [[[ns] for ns in column] for column in columns]
    rows = [row(case, name, own, rounds_of[0]) for name, own in zip(names, rounds_of)]
    steps = {}
    for _ in range(rounds):
        for subject, command in zip(subjects, commands):
            words = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pin).stdout.split()
            for name, ns in zip(words[::2], words[1::2]):
                steps.setdefault((name, subject["name"]), []).append([int(ns)])
    for (name, subject), own in steps.items():
        first = steps.get((name, subjects[0]["name"]), own)
        rows.append(row(f"{case}: {name}", subject, own, first))
    return rows


def show(rows):
    print(f"{'case':28} {'subject':44} {'min us':>9} {'median us':>9} {'p90 us':>9} {'ratio':>7} {'faults':>7} {'calls':>6}")
    for one in sorted(rows, key=lambda one: one["case"]):
        us = [f"{one[key] / 1000:9.2f}" for key in ("min_ns", "median_ns", "p90_ns")]
        counts = [f"{one[key]:g}" if one.get(key) is not None else "" for key in ("page_faults", "system_calls")]
        print(f"{one['case']:28} {one['subject']:44} {' '.join(us)} {one['ratio']:7.2f} {counts[0]:>7} {counts[1]:>6}")


def main():
    subjects_path, out = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 41
    with open(subjects_path) as file:
        told = json.load(file)
    rows = []
    for case in told["loads"]:
        rows += compare_loads(case["case"], case["subjects"], rounds, told["result"])
        rows += compare_loads(f"{case['case']}, {LOADS} kept", case["subjects"], rounds, told["result"], "keep")
    for subjects in told["cases"]:
        rows += compare_cases(subjects, rounds, told["result"])
    for case in told["starts"]:
        rows += compare_starts(case["case"], case["subjects"], rounds, told["launcher"])
    show(rows)
    with open(out, "w") as file:
        json.dump({"cpu": CPU, "rounds": rounds, "loads_a_round": LOADS, "rows": rows}, file, indent=1)
    print(f"written to {out}")


if __name__ == "__main__":
    main()
