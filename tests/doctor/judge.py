#!/usr/bin/env python3
"""Judges what `rtwasm doctor --json` printed. `judge.py COMMAND ...`, prints `ok`/`FAIL` lines and their counts.

findings JSON EXPECTED   bad and unknown findings are those of the file EXPECTED, `SEVERITY ID` or `unknown ID` a line, and no others
whole JSON               every finding has all its fields, and verdicts, counts and exit status follow from the findings
quiet JSON               nothing is bad (a copy of nothing can only be unknown)
flips RTWASM TREE FLIPS SCRATCH   each change of the file FLIPS, made to a copy of TREE, brings about its finding
removals RTWASM TREE SCRATCH      TREE is good throughout, and no missing file or folder makes anything bad
damage RTWASM TREE SCRATCH        with every file cut, emptied, full of noise, or something else than a file, it still answers
"""
import json
import os
import random
import shutil
import subprocess
import sys

CLASSES = ["audio-128", "audio-32", "control-1khz", "control-10khz"]
SEVERITIES = ["info", "medium", "high", "fatal"]
STATES = ["bad", "unknown", "good", "skipped"]
VERDICTS = ["ready", "ready with warnings", "not ready"]
TEXTS = ["id", "title", "found", "expected", "why", "remedy"]
counts = {"ok": 0, "FAIL": 0}


def check(good, what):
    word = "ok" if good else "FAIL"
    counts[word] += 1
    print(word, what)


def findings(report, expected):
    told = {(f["severity"] if f["state"] == "bad" else "unknown") + " " + f["id"]
            for f in report["findings"] if f["state"] in ("bad", "unknown")}
    with open(expected, encoding="utf-8") as file:
        wanted = set(file.read().splitlines())
    for line in sorted(wanted | told):
        where = "" if line in wanted and line in told else " (not found)" if line in wanted else " (not expected)"
        check(not where, line + where)
    others = [f["state"] for f in report["findings"] if f["state"] not in ("bad", "unknown")]
    check("good" in others and set(others) <= {"good", "skipped"}, f"the {len(others)} others are good or skipped, and some are good")


def verdict_of(report, name):
    of_class = [(f["state"], f["by_class"][name]) for f in report["findings"]]
    if any(state == "bad" and severity in ("high", "fatal") for state, severity in of_class):
        return VERDICTS[2]
    medium = any(state == "bad" and severity == "medium" for state, severity in of_class)
    doubtful = any(state == "unknown" and severity in ("high", "fatal") for state, severity in of_class)
    return VERDICTS[1] if medium or doubtful else VERDICTS[0]


def whole(report):
    all_findings = report["findings"]
    check(len(all_findings) >= 35, f"{len(all_findings)} findings")
    check(len({f["id"] for f in all_findings}) == len(all_findings), "each id once")
    for f in all_findings:
        sound = (f["state"] in STATES and f["severity"] in SEVERITIES and all(f[text] for text in TEXTS)
                 and list(f["by_class"]) == CLASSES and all(s is None or s in SEVERITIES for s in f["by_class"].values())
                 and isinstance(f["commands"], list) and isinstance(f["needs_root"], bool)
                 and not any(ord(c) < 32 for text in TEXTS for c in f[text]))
        if not sound:
            check(False, f"finding {f}")
    order = [(STATES.index(f["state"]), -SEVERITIES.index(f["severity"]) if f["state"] == "bad" else 0) for f in all_findings]
    check(order == sorted(order), "the worst come first")
    verdicts = {v["class"]: v for v in report["verdicts"]}
    check(all(verdict_of(report, name) == v["verdict"] for name, v in verdicts.items()), "verdicts follow from the findings")
    counted = all(v[s] == sum(f["state"] == "bad" and f["by_class"][name] == s for f in all_findings)
                  for name, v in verdicts.items() for s in SEVERITIES)
    check(counted, "counts follow from the findings")
    worst = max(VERDICTS.index(v["verdict"]) for v in verdicts.values())
    check(VERDICTS.index(report["verdict"]) == worst == report["exit_status"], "verdict and exit status are the worst of them")


def quiet(report):
    bad = [f["id"] for f in report["findings"] if f["state"] == "bad"]
    check(not bad, "nothing is bad" + (": " + ", ".join(bad) if bad else ""))
    check(sum(f["state"] == "unknown" for f in report["findings"]) >= 35, "most is unknown")
    check(report["verdict"] == VERDICTS[1], "ready with warnings: nobody knows")


# ---- with copies of a tree that are changed ----


def run(rtwasm, tree, *options):
    done = subprocess.run([rtwasm, "doctor", "--json", "--root", tree, *options], capture_output=True, check=False)
    if done.returncode not in (0, 1, 2) or done.stderr:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


TUNED = ("--cpu", "3", "--thread")


def fresh(tree, scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(tree, scratch)
    return scratch


def flips(rtwasm, tree, table, scratch):
    with open(table, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    seen = set()
    for line in lines:
        name, severity, changes = line.split(" ", 2)
        seen.add(name)
        copy = fresh(tree, scratch)
        for change in changes.split("|"):
            path, _, content = change.partition(" ")
            os.makedirs(os.path.dirname(f"{copy}/{path}"), exist_ok=True)
            with open(f"{copy}/{path}", "w", encoding="utf-8") as file:
                file.write(content.replace("\\n", "\n").replace("\\t", "\t") + "\n")
        report = run(rtwasm, copy, *TUNED)
        found = {f["id"]: f for f in report["findings"]}[name]
        told = f"{found['state']} {found['severity']}: {found['found']}"
        check(found["state"] == "bad" and found["severity"] == severity, f"{name} {severity} by {changes[:60]}: {told}")
        at_least = {"info": 0, "medium": 1, "high": 2, "fatal": 2}[severity]
        check(report["exit_status"] >= at_least, f"{name} {severity}: exit status {report['exit_status']}")
    listed = subprocess.run([rtwasm, "doctor", "--list"], capture_output=True, text=True, check=True).stdout
    ids = {line.split()[0] for line in listed.splitlines()[1:]}
    # Findings of the running system only, or of another fixture or suite.
    elsewhere = {"signal-stack", "artifact", "clock-cost", "wakeup", "gaps", "shared-core", "numa-placement"}
    check(seen | elsewhere == ids and not seen & elsewhere, f"every check was made bad: {sorted(ids ^ (seen | elsewhere))}")


def files_of(tree):
    for folder, _, names in os.walk(tree):
        for name in names:
            yield os.path.join(folder, name)


# A kernel without this file cannot switch the idle state off.
MEANING_BY_ABSENCE = ("/disable",)


def removals(rtwasm, tree, scratch):
    copy = fresh(tree, scratch)
    wrong, number = [], 0
    for file in sorted(files_of(copy)):
        if file.endswith(MEANING_BY_ABSENCE):
            continue
        os.rename(file, scratch + ".aside")
        bad = [f["id"] for f in run(rtwasm, copy, *TUNED)["findings"] if f["state"] == "bad"]
        os.rename(scratch + ".aside", file)
        number += 1
        if bad:
            wrong.append(f"{file[len(copy):]}: {bad}")
    check(not wrong, f"none of {number} missing files makes anything bad {wrong}")
    for folder in ("proc/self", "proc/sys", "sys/devices", "sys/kernel", "sys/fs", "boot", "proc", "sys"):
        copy = fresh(tree, scratch)
        shutil.rmtree(f"{copy}/{folder}")
        bad = [f["id"] for f in run(rtwasm, copy, *TUNED)["findings"] if f["state"] == "bad"]
        check(not bad, f"without {folder} nothing is bad {bad}")


def noise(rng, size):
    return bytes(rng.choice(b"0123456789-,:()[] \n\t/max%$`'\"\\\x00\x1b\xff\xc3") for _ in range(size))


def damage(rtwasm, tree, scratch):
    rng = random.Random(0)
    copy = fresh(tree, scratch)
    originals = {file: open(file, "rb").read() for file in sorted(files_of(copy))}
    ways = {
        "cut in half": lambda old: old[: len(old) // 2],
        "cut by a byte": lambda old: old.rstrip()[:-1],
        "empty": lambda old: b"",
        "a huge number": lambda old: b"99999999999999999999999999",
        "minus one": lambda old: b"-1",
        "noise": lambda old: noise(rng, len(old) + 10),
        "a changed byte": lambda old: bytes(b ^ (rng.randrange(256) if rng.randrange(20) == 0 else 0) for b in old),
        "twice": lambda old: old + old,
        "without line ends": lambda old: old.replace(b"\n", b" "),
        "one endless line": lambda old: b"x" * 3_000_000,
    }
    for way, change in ways.items():
        if way != "one endless line":
            for file, old in originals.items():
                with open(file, "wb") as out:
                    out.write(change(old))
            run_all(rtwasm, copy, f"every file {way}")
        else:
            for file in rng.sample(sorted(originals), 5):
                with open(file, "wb") as out:
                    out.write(change(originals[file]))
            run_all(rtwasm, copy, f"some files {way}")
    for kind, make in {"directories": os.mkdir, "pipes": os.mkfifo, "links to themselves": lambda f: os.symlink(f, f)}.items():
        copy = fresh(tree, scratch)
        for file in originals:
            os.remove(file)
            make(file)
        run_all(rtwasm, copy, f"{kind} in place of files")


def run_all(rtwasm, copy, what):
    """The three outputs; the script must be one, and only comments may hold what came from files."""
    try:
        report = run(rtwasm, copy)
        script = subprocess.run([rtwasm, "doctor", "--fix", "--root", copy], capture_output=True, check=False).stdout
        sound = subprocess.run(["sh", "-n"], input=script, capture_output=True, check=False)
        text = subprocess.run([rtwasm, "doctor", "--root", copy], capture_output=True, check=False)
        printable = not any(byte < 32 and byte != 10 for byte in text.stdout + script)
        check(sound.returncode == 0 and text.returncode == report["exit_status"] and printable, what)
    except (RuntimeError, ValueError) as error:
        check(False, f"{what}: {error}")


def main():
    command, *rest = sys.argv[1:]
    on_json = {"findings": findings, "whole": whole, "quiet": quiet}
    if command in on_json:
        with open(rest[0], encoding="utf-8") as file:
            on_json[command](json.load(file), *rest[1:])
    else:
        {"flips": flips, "removals": removals, "damage": damage}[command](*rest)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed")
    return 1 if counts["FAIL"] else 0


sys.exit(main())
