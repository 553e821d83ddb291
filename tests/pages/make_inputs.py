"""Statistics whose shape is known, in the JSON that `rtwasm stats` reads: make_inputs.py FOLDER

func.json and other.json    one function each, with two series and a time line; the second three times as slow
worker.json                 a worker: five series, counters, the worst steps with all their causes
crowd-1.json ... -8.json    eight runs, for eight curves in one plot
"""
import json
import math
import sys
from pathlib import Path


def bounds(bucket):
    """As src/record/histogram.rs lays them out."""
    if bucket < 128:
        return bucket, bucket + 1
    exponent = bucket // 64 - 1
    low = (bucket - exponent * 64) << exponent
    return low, low + (1 << exponent)


def bucket_of(value):
    exponent = max(value.bit_length(), 7) - 7
    return exponent * 64 + (value >> exponent)


def series(name, values, help_text):
    """Of values in ns, which are ticks here."""
    values = sorted(max(1, round(value)) for value in values)
    counts = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    return {
        "name": name, "help": help_text, "count": len(values), "overflows": 0, "faults": 0, "arena_peak_bytes": 0,
        "last_ticks": values[-1], "sum_ticks": sum(values), "min_ticks": values[0], "max_ticks": values[-1],
        "buckets": [[*bounds(bucket), count] for bucket, count in sorted(counts.items())],
    }


def times(middle_ns, spread, count=20000):
    """A body, a shoulder, and a long straight tail."""
    for n in range(count):
        share = (n + 0.5) / count
        value = middle_ns * math.exp(spread * (share - 0.5))
        if share > 0.9:
            value *= ((1 - share) * 10) ** -0.35
        yield value


def report(kind, name, all_series, timeline=(), counters=(), worst=()):
    return {"kind": kind, "name": name, "since_realtime_ns": 1_790_000_000_000_000_000, "duration_ns": 60_000_000_000,
            "counters": list(counters), "series": all_series, "timeline": list(timeline), "worst": list(worst)}


def document(*reports):
    return {"format": "rtwasm-statistics", "version": 1, "taken_realtime_ns": 1_790_000_060_000_000_000, "ns_per_tick": 1.0,
            "environment": {"rtwasm": "0.1.0", "engine": "wasmtime 48.0.8", "kernel": "6.1.0-rt", "cpu":
                            "A processor with a long name @ 3.00GHz, with 16 threads on 8 cores, and a word-that-cannot-be-"
                            "broken-" + "x" * 60}, "reports": list(reports)}


def func(middle_ns):
    timeline = [[second * 10**9, 333, round(middle_ns * (3 + 2 * math.sin(second / 3)))] for second in range(60)]
    return document(report("func", "process", [
        series("call_time", times(middle_ns, 0.5), "From the call's start to its end"),
        series("call_time_corrected", times(middle_ns * 2.5, 0.9), "Call times, with those put in that a late call kept from "
               "starting at the expected period"),
    ], timeline, [{"name": "deadline_misses", "help": "Calls that took longer than the deadline", "value": 1234567}]))


def worker():
    names = [("call_time", 2e4), ("response_time", 9e4), ("wake_up_latency", 5e3), ("jitter", 1e3), ("period_time", 1e6)]
    causes = ["page_fault", "involuntary_switch", "voluntary_switch", "budget", "trap", "deadline", "wake_up"]
    worst = [{"at_realtime_ns": 1_790_000_000_000_000_000 + n * 10**9, "call_ns": 10**6 // (n + 1), "response_ns": 3 * 10**6 // (n + 1),
              "causes": causes[: n % 8]} for n in range(20)]
    counters = [{"name": name, "help": f"How often there was a {name.replace('_', ' ')}", "value": n * 10**n}
                for n, name in enumerate(causes)]
    return document(report("worker", "loop at 1 kHz", [series(name, times(ns, 0.4), "A figure") for name, ns in names],
                           [[n * 10**9, 1000, 10**5 + n * 10**4] for n in range(60)], counters, worst),
                    report("func", "empty", [{**series("call_time", [1], "None yet"), "count": 0, "buckets": [],
                                              "min_ticks": None, "max_ticks": None, "sum_ticks": 0, "last_ticks": 0}]))


def main(folder):
    made = {"func": func(1e5), "other": func(3e5), "worker": worker()}
    for n in range(8):
        made[f"crowd-{n + 1}"] = document(report("func", "process", [series("call_time", times(1e4 * 1.8**n, 0.4), "Of a run")]))
    for name, content in made.items():
        (Path(folder) / f"{name}.json").write_text(json.dumps(content, indent=1))


main(sys.argv[1])
