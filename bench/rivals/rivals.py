#!/usr/bin/env python3
"""Compares what a C program could call: kernels, calls, and what happens outside calls.

rivals.py run FOLDER ROUNDS KERNEL... [--only CASE-PREFIX]   measures; the figures go to FOLDER/figures.json
rivals.py check FIGURES.json                                 fails if a rival has neither a figure nor a reason in some case

FOLDER/subjects, which run.sh writes, has a line for each rival: its name, its program (see rival.h), its artifacts with % for the guest's
name, what it is, its library or -, the only cases it takes part in or -, further arguments. Each rival runs as a process of its own, pinned
to one CPU; the rivals take turns in every round. Each result is compared with that of the first, which is native code. Ratios are medians
over rounds, to the first rival that has the case."""
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

CPU = max(os.sched_getaffinity(0))
PLAIN, RESULT, BINARY = range(3)
LOADS = 8        # of each rival in a round; the same number of instances
TURNS = 64       # passes over all instances in a round: in the first ones, the other rivals have the caches
COLD = 32        # calls of each rival in a round, a millisecond apart
FLUSHED = 4      # with the cache flushed
MANY = 200       # instances, for the memory of one
KERNEL_RUNS = 50  # before results are compared


class Case:
    def __init__(self, key, title, group, guest, ask, checks, share=1, skips=0):
        self.key, self.title, self.group, self.guest = key, title, group, guest
        self.ask, self.checks, self.share, self.skips = ask, checks, share, skips


def all_cases(kernels, batch_us):
    run = [f"call run {BINARY} 3 0 1"]
    cases = [
        Case(f"kernel-{kernel}", kernel, "kernel", kernel, f"time run {PLAIN} {batch_us}",
             [f"call init {PLAIN} 0 0 1", f"call run {PLAIN} 0 0 {KERNEL_RUNS}", f"call checksum {RESULT} 0 0 1"])
        for kernel in kernels
    ]
    add = [f"call add {BINARY} 40 2 1"]
    cases += [
        Case("call-empty", "call of an empty function", "call", "calls", f"time empty {PLAIN} {batch_us}", add),
        Case("call-add", "call that adds two numbers", "call", "calls", f"time add {BINARY} {batch_us}", add),
        Case("call-host", "guest to host and back", "call", "calls", f"time host_1000 {PLAIN} {batch_us}", add, share=1000),
        Case("cold-ms", "one call a millisecond", "cold", "calls", f"cold {COLD} 1000000 0", add),
        Case("cold-flushed", "a call after flushing the caches", "cold", "calls", f"cold {FLUSHED} 0 {flush_bytes()}", add),
        Case("first-thread", "first call of a thread", "first", "small", f"thread {LOADS}", run),
        Case("first-attach", "thread set-up (attach)", "first", "small", f"attach {LOADS}", run),
    ]
    cases += [
        Case(f"instance-{name}", title, "instance", "small", f"{name} {TURNS if name == 'turn' else LOADS}", run)
        for name, title in (
            ("instantiate", "instantiate"), ("prepared", "instantiate and prepare"), ("end", "end of an instance"),
            ("trap", "trap, then call again without reset"), ("reset", "trap, then reset"), ("turn", "1024 instances in turn, a call"),
        )
    ]
    cases.append(Case("instance-turn-tiny", "1024 instances in turn, without linear memory", "instance", "tiny", f"turn {TURNS}", run))
    for size, title in (("64k", "64 KiB"), ("1m", "1 MiB")):
        cases.append(Case(f"load-{size}", f"load {title} of code", "load", f"code{size}", f"load {LOADS}", run))
        cases.append(Case(f"load-{size}-kept", f"load {title} of code, {LOADS} kept", "load", f"code{size}", f"keep {LOADS}", run))
    return cases


def flush_bytes():
    """Twice the largest cache, and 64 MiB at most."""
    sizes = [0]
    for index in range(8):
        try:
            with open(f"/sys/devices/system/cpu/cpu{CPU}/cache/index{index}/size") as file:
                sizes.append(int(file.read().strip().rstrip("K")) * 1024)
        except (OSError, ValueError):
            pass
    return min(2 * max(sizes) or 1 << 26, 1 << 26)


def pin():
    os.sched_setaffinity(0, {CPU})


class Subject:
    def __init__(self, folder, line):
        self.name, program, self.artifacts, self.about, self.library, self.only, *arguments = line.rstrip("\n").rstrip("\t").split("\t")
        self.folder, self.program, self.arguments = folder, os.path.join(folder, program), arguments

    def command(self, mode, guest):
        return [self.program, *mode, os.path.join(self.folder, self.artifacts.replace("%", guest)), *self.arguments]

    def takes_part(self, key):
        return self.only == "-" or any(key.startswith(prefix) for prefix in self.only.split())


class Process:
    def __init__(self, subject, guest, environment=None):
        self.name = subject.name
        self.process = subprocess.Popen(
            subject.command(["serve"], guest), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin, env=environment,
        )

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} has ended: {line}")
        return answer.rstrip("\n")

    def results(self, checks):
        return [self.ask(line) for line in checks]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Figures:
    def __init__(self):
        self.rows, self.absent, self.cases = [], [], []

    def add(self, key, title, group, times, unit="ns", more=None):
        """`times`: for each rival a list of its values for each round; the first is what the others are compared with."""
        first = next(iter(times.values()), [])
        self.cases.append({"case": key, "title": title, "group": group, "unit": unit, "compared_with": next(iter(times), None)})
        for name, rounds in times.items():
            everything = [value for one in rounds for value in one]
            ratios = [statistics.median(own) / statistics.median(other) for own, other in zip(rounds, first) if statistics.median(other)]
            self.rows.append({
                "case": key, "subject": name, "n": len(everything), "min": min(everything), "p50": statistics.median(everything),
                "p90": quantile(everything, 0.9), "p99": quantile(everything, 0.99), "max": max(everything),
                "ratio": statistics.median(ratios) if ratios else None, **((more or {}).get(name, {})),
            })

    def lacks(self, key, name, why):
        self.absent.append({"case": key, "subject": name, "why": why})


def same_results(processes, checks):
    found = {process.name: process.results(checks) for process in processes}
    first = next(iter(found.values()))
    for name, results in found.items():
        if results != first:
            raise SystemExit(f"{name} computes {results[-1]}, not {first[-1]} as {processes[0].name}: {checks[-1]}")


def measure(case, subjects, rounds, figures):
    processes = [Process(subject, case.guest) for subject in subjects]
    try:
        same_results(processes, case.checks)
        if case.group == "load":  # in processes that have not loaded the guest
            for process in processes:
                process.close()
            processes = [Process(subject, case.guest) for subject in subjects]
        having = []
        for process in processes:
            answer = process.ask(case.ask)
            if answer.startswith("none "):
                figures.lacks(case.key, process.name, answer[5:])
            else:
                having.append(process)
        times = {process.name: [] for process in having}
        faults = {process.name: [] for process in having}
        for turn in range(rounds):
            for process in having[turn % len(having):] + having[:turn % len(having)]:
                words = process.ask(case.ask).split()
                if case.ask.startswith("time "):
                    times[process.name].append([float(words[0]) / case.share])
                else:
                    faults[process.name].append(int(words[0]) / LOADS)
                    times[process.name].append([int(word) for word in words[1:]])
        same_results(processes, case.checks)
    finally:
        for process in processes:
            process.close()
    more = {name: {"page_faults": statistics.median(found)} for name, found in faults.items() if found and case.group in ("load", "instance")}
    if case.group == "load" and not case.key.endswith("kept"):
        for subject in subjects:
            more[subject.name]["system_calls"] = system_calls(subject, case.guest)
    figures.add(case.key, case.title, case.group, times, more=more)


def system_calls(subject, guest):
    """The number of system calls of one load: those of 30 loads less those of 10; None without strace."""
    def count(loads):
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["strace", "-f", "-qq", "-o", log.name, *subject.command(["load", str(loads)], guest)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return sum(1 for line in log if not re.search(r"\+\+\+|---|resumed>", line))
    try:
        return (count(30) - count(10)) / 20
    except FileNotFoundError:
        return None


def measure_starts(subjects, rounds, folder, figures):
    """From the start of a process to its end, after the first result; the steps on the way, as the process tells them; and its memory."""
    commands = [subject.command(["first"], "small") for subject in subjects]
    words = [word for command in commands for word in [*command, "--"]][:-1]
    out = subprocess.run([os.path.join(folder, "start"), str(rounds), *words], check=True, capture_output=True, text=True, preexec_fn=pin).stdout
    columns = list(zip(*[[int(word) for word in line.split()] for line in out.splitlines()]))
    names = [subject.name for subject in subjects]
    figures.add("start", "start of a process to its end, after the first result", "start", {name: [[ns] for ns in own] for name, own in zip(names, columns)})
    steps, results = {}, {}
    for _ in range(rounds):
        for name, command in zip(names, commands):
            words = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pin).stdout.split()
            for step, value in zip(words[::2], words[1::2]):
                steps.setdefault(step, {}).setdefault(name, []).append([int(value)])
    for name, result in steps.pop("result").items():
        results[name] = result[0][0]
        if result != [[results[names[0]]]] * rounds:
            raise SystemExit(f"{name} computes {result}, not {results[names[0]]} as {names[0]}: first")
    titles = {"create": "engine or runtime made", "load": "the first load", "instance": "the first instance", "prepare": "made ready",
              "call": "the first call of a process"}
    figures.add("start-memory", "a process with one instance", "memory", steps.pop("present"), "bytes")
    for step, times in steps.items():
        figures.add(f"start-{step}", titles[step], "first" if step == "call" else "start", times)


def measure_memory(subjects, figures):
    """What an instance with four functions takes; it has no linear memory."""
    found = {}
    for subject in subjects:
        process = Process(subject, "tiny")
        answer = process.ask(f"memory {MANY}")
        process.close()
        if answer.startswith("none "):
            figures.lacks("memory", subject.name, answer[5:])
        else:
            found[subject.name] = [[int(answer) / MANY]]
    figures.add("memory", "an instance with four functions", "memory", found, "bytes")


def count_allocations(subjects, folder, figures):
    environment = {**os.environ, "LD_PRELOAD": os.path.abspath(os.path.join(folder, "counter.so"))}
    for name, title in (("instantiate", "instantiate"), ("prepared", "instantiate and prepare"), ("trap", "trap, then call again without reset"),
                        ("reset", "trap, then reset"), ("load", "load, 1 KiB of code")):
        found = {}
        for subject in [subject for subject in subjects if subject.takes_part(f"allocations-{name}")]:
            process = Process(subject, "small", environment)
            answer = process.ask(f"allocations {name}")
            process.close()
            if answer.startswith("none "):
                figures.lacks(f"allocations-{name}", subject.name, answer[5:])
            else:
                found[subject.name] = [[int(answer)]]
        figures.add(f"allocations-{name}", title, "allocations", found, "count")


def library_bytes(path):
    """Stripped."""
    if path == "-":
        return None
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, path], check=True)
        return os.path.getsize(stripped.name)


def conditions(rounds, batch_us):
    with open("/proc/cpuinfo") as file:
        text = file.read()
    name = re.search(r"^model name\s*: (.*)", text, re.M)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "cpu": name.group(1) if name else platform.machine(),
        "cpus": os.cpu_count(), "virtual": " hypervisor" in text, "kernel": platform.release(), "pinned_to": CPU, "rounds": rounds,
        "batch_us": batch_us, "load_before": round(os.getloadavg()[0], 2), "flush_bytes": flush_bytes(), "turns": TURNS,
    }


def run(folder, rounds, kernels, only):
    batch_us = 5000 if rounds > 2 else 200
    with open(os.path.join(folder, "subjects")) as file:
        subjects = [Subject(folder, line) for line in file]
    with open(os.path.join(folder, "left-out")) as file:
        left_out = [dict(zip(("subject", "why"), line.rstrip("\n").split("\t"))) for line in file]
    figures = Figures()
    conditions_before = conditions(rounds, batch_us)

    def of(key):
        return [subject for subject in subjects if subject.takes_part(key)] if key.startswith(only) else []

    for case in all_cases(kernels, batch_us):
        if of(case.key):
            print(case.title, flush=True)
            measure(case, of(case.key), rounds, figures)
    if of("start"):
        print("start of a process", flush=True)
        measure_starts(of("start"), rounds, folder, figures)
    if of("memory"):
        measure_memory(of("memory"), figures)
    if "allocations".startswith(only):
        count_allocations(subjects, folder, figures)
    told = {
        "conditions": conditions_before,
        "subjects": [{"name": subject.name, "about": subject.about, "library_bytes": library_bytes(subject.library),
                      "only": None if subject.only == "-" else subject.only.split()} for subject in subjects],
        "left_out": left_out, "cases": figures.cases, "absent": figures.absent, "rows": figures.rows,
    }
    path = os.path.join(folder, "figures.json")
    with open(path, "w") as file:
        json.dump(told, file, indent=1)
        file.write("\n")
    check(path)
    print(f"written to {path}")


def check(path):
    """Each rival has a figure in each case, or a reason."""
    with open(path) as file:
        told = json.load(file)
    found = {(row["case"], row["subject"]) for row in told["rows"] if row["p50"] > 0 or row["case"].startswith("allocations")}
    told_why = {(one["case"], one["subject"]) for one in told["absent"] if one["why"]}
    missing = [
        f"{subject['name']}: {case['case']}" for case in told["cases"] for subject in told["subjects"]
        if subject["only"] is None or any(case["case"].startswith(prefix) for prefix in subject["only"])
        if ((case["case"], subject["name"]) in found) == ((case["case"], subject["name"]) in told_why)
    ]
    if missing:
        raise SystemExit("neither a figure nor a reason, or both: " + ", ".join(missing))
    if not told["cases"]:
        raise SystemExit("no case's name begins so")


def main():
    arguments = sys.argv[1:]
    only = ""
    if "--only" in arguments:
        at = arguments.index("--only")
        only = arguments[at + 1]
        del arguments[at:at + 2]
    if arguments[0] == "check":
        check(arguments[1])
    else:
        run(arguments[1], int(arguments[2]), arguments[3:], only)


if __name__ == "__main__":
    main()
