"""Reads what exports.c has written with the readers of others, and holds it against what rtw_func_stats said.

read_exports.py all FOLDER        every format of every subject in the folder; prints `ok`/`FAIL` lines and their sum
read_exports.py FORMAT FILE ...   whether one file can be read at all: fails if it cannot (openmetrics, hlog, html)
"""
import csv
import json
import math
import re
import sys
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families

PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9, "p9999": 99.99}
counts = {"ok": 0, "FAIL": 0}


def check(condition, what):
    verdict = "ok" if condition else "FAIL"
    counts[verdict] += 1
    print(verdict, what)


def near(value, expected, share=0.01, absolute=1e-9):
    return abs(value - expected) <= share * abs(expected) + absolute


def check_percentiles(what, stats, value_at, absolute=1e-9, neighbours=None):
    """`value_at` answers a percentile in ns. Readers that round the rank to the nearest may be one value off: `neighbours` answers
    the values on either side."""
    wrong = []
    for name, percentile in PERCENTILES.items():
        expected, value = stats[f"{name}_ns"], value_at(percentile)
        low, high = neighbours(percentile) if neighbours else (expected, expected)
        if not all(low * 0.99 - absolute <= figure <= high * 1.01 + absolute for figure in (value, expected)):
            wrong.append(f"{name} is {value}, not {expected}")
    check(not wrong, f"{what}: percentiles are within 1 %" + "".join(f"; {text}" for text in wrong))


def nearest_rank(buckets, percentile, offset=0):
    """Of (low, high, count): the middle of the bucket that holds it."""
    total = sum(count for _, _, count in buckets)
    rank = min(total, max(1, math.ceil(round(percentile / 100 * total, 6)) + offset))
    seen = 0
    for low, high, count in buckets:
        seen += count
        if seen >= rank:
            return (low + high) / 2
    return math.nan


# ---- readers, one a format ----


def read_json(path):
    return json.loads(path.read_text())


def read_hgrm(path):
    """(value in us, share, count) of each row, and the numbers at the end."""
    rows = []
    lines = path.read_text().splitlines()
    assert re.fullmatch(r" *Value +Percentile +TotalCount +1/\(1-Percentile\)", lines[0]) and lines[1] == "", "the head"
    for line in lines[2:]:
        if not line.startswith("#"):
            words = [float(word) for word in line.split()]
            assert len(words) == 4 or (len(words) == 3 and words[1] == 1), line
            rows.append((words[0], words[1], int(words[2])))
    end = dict(re.findall(r"(\w[\w ]*?) *= *([\d.]+)", "".join(lines[-3:])))
    return rows, {name: float(number) for name, number in end.items()}


def read_hlog(path):
    """Histograms by their tags."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3600 * 10**9, 3))
    histograms = {}
    while True:
        histogram = reader.get_next_interval_histogram()
        if histogram is None:
            return histograms
        histograms[histogram.get_tag()] = histogram


def read_openmetrics(path):
    return {family.name: family for family in text_string_to_metric_families(path.read_text())}


def samples(families, family, suffix="", **labels):
    """Of one family: those of a name and with these labels."""
    return [
        sample
        for sample in families[family].samples
        if sample.name == family + suffix and all(sample.labels[name] == value for name, value in labels.items())
    ]


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Page(HTMLParser):
    """A page whose elements are closed as they were opened, and which names nothing that is elsewhere."""

    VOID = {"meta", "line", "circle", "rect", "polyline", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.tags = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        for drawing in re.findall(r"<svg .*?</svg>", text, re.DOTALL):
            xml.etree.ElementTree.fromstring(drawing)
        assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|javascript:", text), "it refers to something elsewhere"

    def handle_starttag(self, tag, attributes):
        assert not {"src", "href", "srcset", "data", "action"} & {name for name, _ in attributes}, f"{tag} refers to something elsewhere"
        assert tag not in {"script", "link", "iframe", "object", "embed", "img"}, f"there is a {tag}"
        assert not any(name.startswith("on") for name, _ in attributes), f"{tag} has a script"
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def read_html(path):
    return Page(path.read_text())


# ---- the subjects ----


def series_of(document, name="call_time"):
    report = document["reports"][0]
    return report, next(series for series in report["series"] if series["name"] == name)


def check_json(what, path, stats):
    document = read_json(path)
    report, series = series_of(document)
    to_ns = document["ns_per_tick"]
    check(series["count"] == stats["calls"] == sum(bucket[2] for bucket in series["buckets"]), f"{what}: all calls are in the buckets")
    if stats["calls"]:
        check(near(series["sum_ticks"] * to_ns, stats["mean_ns"] * stats["calls"], 1e-6), f"{what}: the sum is exact")
        extremes = (series["min_ticks"] * to_ns, series["max_ticks"] * to_ns)
        check(near(extremes[0], stats["min_ns"], 1e-6) and near(extremes[1], stats["max_ns"], 1e-6), f"{what}: so are the extremes")
    if "p50_ns" in stats and stats["p50_ns"]:
        check_percentiles(f"{what}: buckets", stats, lambda p: nearest_rank(series["buckets"], p) * to_ns, absolute=to_ns)
        check_percentiles(f"{what}: summary", stats, lambda p: series["summary_ns"][{v: k for k, v in PERCENTILES.items()}[p]])
    counters = {counter["name"]: counter["value"] for counter in report["counters"]}
    names = ("faults", "cut_offs", "overruns", "deadline_misses", "overflows", "arena_peak_bytes")
    expected = {name: stats[name] for name in names}
    check(counters == expected, f"{what}: counters")
    step = stats["clock_step_ns"]
    check(step > 0 and near(document["ticks_per_step"] * to_ns, step, 1e-6), f"{what}: the clock's step")
    check(f"in steps of {step:.2f} ns" in document["environment"]["clock"], f"{what}: and in words: {document['environment']['clock']}")
    return document


def check_hgrm(what, path, stats):
    rows, end = read_hgrm(path)
    check(rows[-1][1:] == (1, stats["calls"]) and end["Total count"] == stats["calls"], f"{what}: all calls are in it")
    check(all(a[0] <= b[0] and a[1] < b[1] and a[2] <= b[2] for a, b in zip(rows, rows[1:])), f"{what}: it ascends")
    check(near(end["Mean"] * 1e3, stats["mean_ns"], absolute=1) and near(end["Max"] * 1e3, stats["max_ns"], absolute=1),
          f"{what}: mean and maximum")
    wrong = []
    for name, percentile in PERCENTILES.items():
        below = max((row for row in rows if row[1] <= percentile / 100), key=lambda row: row[1])
        above = min((row for row in rows if row[1] >= percentile / 100), key=lambda row: row[1])
        if not below[0] * 990 - 1 <= stats[f"{name}_ns"] <= above[0] * 1010 + 1:
            wrong.append(name)
    check(not wrong, f"{what}: percentiles are between their rows {' '.join(wrong)}")
    told = re.search(r"#\[Clock +=\s+steps of +([0-9.]+)\]", path.read_text())
    check(told and near(float(told[1]) * 1e3, stats["clock_step_ns"], absolute=1e-3), f"{what}: the clock's step")


def check_hlog(what, path, stats, document, tag):
    histograms = read_hlog(path)
    check(tag in histograms, f"{what}: there is a line for {tag}")
    histogram = histograms[tag]
    check(histogram.get_total_count() == stats["calls"], f"{what}: all calls are in it")
    if stats["calls"]:
        buckets = [(low * document["ns_per_tick"], high * document["ns_per_tick"], n) for low, high, n in series_of(document)[1]["buckets"]]
        check_percentiles(what, stats, histogram.get_value_at_percentile, 1, lambda p: [nearest_rank(buckets, p, by) for by in (-1, 1)])
        check(near(histogram.get_max_value(), stats["max_ns"], absolute=1) and near(histogram.get_min_value(), stats["min_ns"], absolute=1),
              f"{what}: extremes are within 1 %")
    told = re.search(r"#\[Clock: steps of ([0-9.]+) ns\]", path.read_text())
    check(told and near(float(told[1]), stats["clock_step_ns"], absolute=1e-3), f"{what}: the clock's step")


def check_openmetrics(what, path, stats, document, labels):
    families = read_openmetrics(path)
    family = "rtwasm_call_time_seconds"
    check(families[family].type == "histogram" and families[family].unit == "seconds", f"{what}: type and unit")
    count = samples(families, family, "_count", **labels)
    check(len(count) == 1 and count[0].value == stats["calls"], f"{what}: all calls are in it")
    total = samples(families, family, "_sum", **labels)[0].value
    check(near(total * 1e9, stats["mean_ns"] * stats["calls"], 1e-6), f"{what}: the sum is exact")
    to_ns = document["ns_per_tick"]
    _, series = series_of(document)
    wrong = []
    for bucket in samples(families, family, "_bucket", **labels):
        bound = float(bucket.labels["le"]) * 1e9
        surely = sum(c for low, high, c in series["buckets"] if high * to_ns <= bound)
        perhaps = sum(c for low, high, c in series["buckets"] if low * to_ns <= bound)
        if not surely <= bucket.value <= perhaps:
            wrong.append(f"le {bucket.labels['le']} is {bucket.value}, not {surely} to {perhaps}")
    check(not wrong, f"{what}: buckets {'; '.join(wrong)}")
    if stats["calls"]:
        quantiles = {float(s.labels["quantile"]) * 100: s.value for s in samples(families, "rtwasm_call_time_quantiles_seconds", **labels)}
        check_percentiles(what, stats, lambda p: quantiles[min(quantiles, key=lambda q: abs(q - p))] * 1e9)
        check(near(samples(families, "rtwasm_call_time_max_seconds", **labels)[0].value * 1e9, stats["max_ns"], 1e-6), f"{what}: maximum")
    check(samples(families, "rtwasm_faults", "_total", **labels)[0].value == stats["faults"], f"{what}: faults")
    step = samples(families, "rtwasm_clock_step_seconds")
    check(len(step) == 1 and near(step[0].value * 1e9, stats["clock_step_ns"], 1e-6), f"{what}: the clock's step")


def check_csv(what, path, stats, name):
    rows = [row for row in read_csv(path) if row["name"] == name and row["series"] == "call_time"]
    buckets = [(float(row["low_ns"]), float(row["high_ns"]), int(row["count"])) for row in rows]
    check(sum(count for _, _, count in buckets) == stats["calls"], f"{what}: all calls are in it")
    if stats["calls"]:
        last = rows[-1]
        check(int(last["cumulative_count"]) == stats["calls"] and float(last["cumulative_share"]) == 1, f"{what}: they are summed up")
        if "p50_ns" in stats and stats["p50_ns"]:
            check_percentiles(what, stats, lambda p: nearest_rank(buckets, p), absolute=1)
    check(all(near(float(row["clock_step_ns"]), stats["clock_step_ns"], absolute=1e-3) for row in rows), f"{what}: the clock's step")


def shown(ns):
    """A time as the page shows it."""
    for limit, unit, divisor in ((999.5, "ns", 1), (999.5e3, "µs", 1e3), (999.5e6, "ms", 1e6), (math.inf, "s", 1e9)):
        if ns < limit:
            value = ns / divisor
            digits = 0 if value == int(value) else 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"


def check_html(what, path, stats, plots, name):
    page = read_html(path)
    check(page.tags.count("svg") == plots, f"{what}: {plots} plots")
    check(name in page.text, f"{what}: it names {name}")
    count = f"{stats['calls']:,}".replace(",", "\u202f")
    words = "".join(page.words)
    check(count in words, f"{what}: it says how many calls there were")
    missing = [f"{key} {shown(stats[key])}" for key in ("min_ns", "mean_ns", "p50_ns", "p99_ns", "p9999_ns", "max_ns")
               if stats.get(key) and shown(stats[key]) not in page.text]
    check(f"in steps of {stats['clock_step_ns']:.2f} ns" in page.text, f"{what}: it names the clock's step")
    check(not missing, f"{what}: it shows the figures" + "".join(f"; not {text}" for text in missing))
    return page


def check_all(folder):
    stats = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.stats")}
    names = {"many": "work", "unused": "nothing", "late": 'a "late" <func> & co, \\', "interval": "work", "instance": "instance"}
    check(set(stats) == set(names), "every subject was exported")
    for subject, figures in stats.items():
        name = names[subject]
        kind = "instance" if subject == "instance" else "func"
        document = check_json(f"{subject}, JSON", folder / f"{subject}.json", figures)
        own = figures
        if not figures["p50_ns"]:
            # The interval's sum has no percentiles of its own: the buckets' serve, which were added up exactly.
            _, series = series_of(document)
            own = dict(figures, **{f"{name}_ns": series.get("summary_ns", {}).get(name, 0) for name in PERCENTILES})
        tag = ".".join((kind, re.sub(r"[,\s]", "_", name), "call_time"))
        check_hlog(f"{subject}, log", folder / f"{subject}.hlog", own, document, tag)
        check_openmetrics(f"{subject}, OpenMetrics", folder / f"{subject}.om", own, document, {"kind": kind, "name": name})
        check_csv(f"{subject}, CSV", folder / f"{subject}.csv", own, name)
        plots = {"unused": 0, "interval": 3, "instance": 6}.get(subject, 2)
        if subject == "instance":
            plots = 2 * len(document["reports"])
        check_html(f"{subject}, HTML", folder / f"{subject}.html", own, plots, name)
        if figures["calls"]:
            check_hgrm(f"{subject}, hgrm", folder / f"{subject}.hgrm", own)
    check_instance(folder, stats)
    check_interval(folder, stats)
    check_correction(folder)


def check_instance(folder, stats):
    document = read_json(folder / "instance.json")
    reports = {report["name"]: report for report in document["reports"]}
    counted = {name: report["series"][0]["count"] for name, report in reports.items()}
    check(counted.get("nothing") == 100 and counted.get("trap") == 1, "instance: each function has its own calls")
    check(counted["work"] == stats["many"]["calls"] + stats["late"]["calls"] + stats["interval"]["calls"],
          "instance: several funcs of a function are one")
    check(counted.pop("instance") == sum(counted.values()), "instance: it has the calls of all")
    check(stats["instance"]["faults"] == 1 and stats["instance"]["arena_peak_bytes"] > 0, "instance: the fault is counted")


def check_interval(folder, stats):
    report = read_json(folder / "interval.json")["reports"][0]
    timeline = report["timeline"]
    check([point[1] for point in timeline] == [1000] * 10, "interval: the time line has every reading")
    maxima = stats["interval"]["maxima_ns"]
    check(all(near(point[2], maximum, absolute=1) for point, maximum in zip(timeline, maxima)), "interval: with its maximum")
    check(timeline[6][2] > 100 * read_json(folder / "interval.json")["reports"][0]["series"][0]["summary_ns"]["p50"],
          "interval: the slow call is in the seventh")
    check(all(a[0] < b[0] for a, b in zip(timeline, timeline[1:])) and timeline[-1][0] < report["duration_ns"], "interval: in order of time")
    check(near(report["duration_ns"], stats["interval"]["duration_ns"], 1e-6), "interval: the readings' lengths add up")


def check_correction(folder):
    """The correction against HdrHistogram's own, value by value. (Its recordValueWithExpectedInterval ends with the last value that is
    no shorter than the period; the Python port records one more.)"""
    period = 20000
    document = read_json(folder / "late.json")
    to_ns = document["ns_per_tick"]
    expected = HdrHistogram(1, 3600 * 10**9, 3)
    _, series = series_of(document)
    late = 0
    for low, high, count in series["buckets"]:
        value = min(max((low + high - 1) / 2, series["min_ticks"]), series["max_ticks"]) * to_ns
        expected.record_value(round(value), count)
        late += count if value > 0.95 * period else 0
        missing = value - period
        while missing >= period:
            expected.record_value(round(missing), count)
            missing -= period
    _, corrected = series_of(document, "call_time_corrected")
    # Ticks and ns round differently: each late value may stand for one more or less.
    check(abs(corrected["count"] - expected.get_total_count()) <= late,
          f"correction: {corrected['count']} values, HdrHistogram has {expected.get_total_count()}, {late} late ones")
    check(corrected["count"] > series["count"] + 50 + late, "correction: the late call stands for many")
    figures = {f"{name}_ns": corrected["summary_ns"][name] for name in PERCENTILES}
    # If one value more or less moves the rank, the next value is a whole period away.
    moved = 100 * (late + 1) / expected.get_total_count()

    def is_theirs(name, percent):
        low, high = (expected.get_value_at_percentile(min(max(percent + by, 0), 100)) for by in (-moved, moved))
        return 0.98 * low <= figures[f"{name}_ns"] <= 1.02 * high

    wrong = [name for name, percent in PERCENTILES.items() if not is_theirs(name, percent)]
    check(not wrong, f"correction: percentiles are HdrHistogram's {' '.join(wrong)}")
    read = read_hlog(folder / "late.hlog")
    check(len(read) == 2 and any(tag.endswith(".call_time_corrected") for tag in read), "correction: both series are in the log")


def main(arguments):
    match arguments:
        case ["all", folder]:
            check_all(Path(folder))
            print(f"{counts['ok']} passed, {counts['FAIL']} failed")
            return 1 if counts["FAIL"] else 0
        case ["openmetrics", path]:
            return 0 if read_openmetrics(Path(path)) else 1
        case ["hlog", path]:
            return 0 if all(histogram.get_total_count() >= 0 for histogram in read_hlog(Path(path)).values()) else 1
        case ["html", path]:
            read_html(Path(path))
            return 0
        case ["page", path, curves, *parts]:
            page = read_html(Path(path))
            missing = [part for part in parts if part not in page.text]
            if page.tags.count("polyline") != int(curves) or missing:
                sys.exit(f"{page.tags.count('polyline')} curves; missing: {missing}")
            return 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
