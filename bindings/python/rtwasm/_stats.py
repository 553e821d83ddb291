"""Statistics: as dicts, data frames and plots; intervals, recorders, exports."""
from __future__ import annotations

import ctypes
import json
import os
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Union, cast

from . import _api
from ._api import Export, Status
from ._library import Error, Handle, check, create, lib, new, read, text

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas

Subjects = Union["Measured", Sequence["Measured"], Mapping[str, "Measured"]]


class Measured:
    """What has statistics."""

    _export: str | None = None  # the library's function for one of the kind; None: rtw_export
    _subject = ""  # its field of rtw_export_subject_t

    @property
    def handle(self) -> int:
        raise NotImplementedError

    def export(self, format: Export = Export.JSON, path: str | os.PathLike[str] | None = None, *, name: str | None = None,
               series: str | None = None, expected_interval_ns: int = 0) -> str | None:
        """Writes the statistics to a file; without a path returns them as a text."""
        if self._export is None:
            return export({name: self} if name else [self], format, path, series=series, expected_interval_ns=expected_interval_ns)
        function = getattr(lib, self._export)
        return exported(lambda *rest: function(self.handle, *rest), format, path, name, series, expected_interval_ns)


class Interval(Handle, Measured):
    """Returns what was recorded since its previous read."""

    _destroy = "rtw_interval_destroy"
    _export = "rtw_interval_export"

    def read(self) -> _api.FuncStats:
        return cast(_api.FuncStats, read("rtw_interval_read", _api.rtw_func_stats_t, self.handle))


class Recorder(Handle, Measured):
    """A histogram of the host's own times. One thread at a time records."""

    _destroy = "rtw_recorder_destroy"

    def record_ns(self, ns: int) -> None:
        check(lib.rtw_recorder_record_ns(self.handle, ns))

    def stats(self) -> _api.FuncStats:
        return cast(_api.FuncStats, read("rtw_recorder_stats", _api.rtw_func_stats_t, self.handle))

    def interval(self) -> Interval:
        """A reader of what is recorded between its reads."""
        return Interval(create("rtw_recorder_interval", self.handle))


def exported(write: Any, format: Export, path: str | os.PathLike[str] | None, name: str | None, series: str | None,
             expected_interval_ns: int) -> str | None:
    """Calls `write(config, length, error)`: once for a file, otherwise until the text fits."""
    config = new(_api.rtw_export_config_t, format=format, path=None if path is None else os.fsencode(path), name=text(name),
                 series=text(series), expected_interval_ns=expected_interval_ns)
    length, error = ctypes.c_size_t(), _api.rtw_error_t()
    check(write(ctypes.byref(config), ctypes.byref(length), ctypes.byref(error)), error)
    while path is None:
        buffer = ctypes.create_string_buffer(length.value + 4096)
        config.buffer, config.buffer_bytes = ctypes.addressof(buffer), len(buffer)
        status = write(ctypes.byref(config), ctypes.byref(length), ctypes.byref(error))
        if status != Status.LIMIT:
            check(status, error)
            return buffer.value.decode()
    return None


def named(subjects: Subjects) -> list[tuple[str | None, Measured]]:
    if isinstance(subjects, Mapping):
        return list(subjects.items())
    return [(None, subject) for subject in ([subjects] if isinstance(subjects, Measured) else subjects)]


def export(subjects: Subjects, format: Export = Export.JSON, path: str | os.PathLike[str] | None = None, *, series: str | None = None,
           expected_interval_ns: int = 0) -> str | None:
    """Writes the statistics of several subjects as one document: a list of them, or a dict with their names."""
    chosen = named(subjects)
    array = (_api.rtw_export_subject_t * len(chosen))()
    for place, (name, subject) in zip(array, chosen):
        kind = next(base.__name__.lower() for base in type(subject).__mro__ if base.__name__.lower() in SUBJECTS)
        setattr(place, kind, subject.handle)
        place.name = text(name)
    size = ctypes.sizeof(_api.rtw_export_subject_t)
    return exported(lambda *rest: lib.rtw_export(array, len(array), size, *rest), format, path, None, series, expected_interval_ns)


SUBJECTS = {"func", "instance", "interval", "worker", "recorder"}


def document(subjects: Subjects, **options: Any) -> dict[str, Any]:
    """The library's JSON as Python's objects (docs/statistics.md has its members)."""
    return cast("dict[str, Any]", json.loads(export(subjects, Export.JSON, **options) or "{}"))


def frame(subjects: Subjects, **options: Any) -> pandas.DataFrame:
    """A row for each series of each subject: count, mean, percentiles, in ns. Needs pandas."""
    import pandas
    rows = []
    for report in document(subjects, **options)["reports"]:
        for series in report["series"]:
            rows.append({"subject": report["name"], "kind": report["kind"], "series": series["name"], "count": series["count"],
                         **{f"{name}_ns": value for name, value in series.get("summary_ns", {}).items()}})
    return pandas.DataFrame(rows)


def buckets_frame(subjects: Subjects, **options: Any) -> pandas.DataFrame:
    """A row for each bucket of each series: low_ns, high_ns, count. Needs pandas."""
    import pandas
    return pandas.DataFrame([{"subject": report["name"], "series": series["name"], "low_ns": low, "high_ns": high, "count": count}
                             for report, series, buckets in histograms(document(subjects, **options)) for low, high, count in buckets])


def histograms(of: dict[str, Any]) -> Any:
    """Report, series and buckets in ns."""
    for report in of["reports"]:
        for series in report["series"]:
            yield report, series, [(low * of["ns_per_tick"], high * of["ns_per_tick"], count) for low, high, count in series["buckets"]]


def plot(subjects: Subjects, path: str | os.PathLike[str] | None = None, **options: Any) -> matplotlib.figure.Figure:
    """Percentiles of each series as curves, up to the maximum, from the library's export. Needs matplotlib."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for report, series, buckets in histograms(document(subjects, **options)):
        total, below, across, up = series["count"], 0, [], []
        for _, high, count in buckets:
            below += count
            # The axis counts nines: 90 %, 99 %, 99.9 %. The slowest call has no percentile of its own.
            across.append(total / max(total - below, 0.5))
            up.append(high / 1000)
        if across:
            axes.plot(across, up, label=f"{report['name']}: {series['name']}", drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1, 2, 10, 100, 1000, 10000], ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"])
    axes.set_xlabel("percentile")
    axes.set_ylabel("time, us")
    axes.grid(True, alpha=0.3)
    if axes.lines:
        axes.legend()
    if path is not None:
        figure.savefig(path)
    return figure


def clock_step_ns() -> float:
    """One step of the clock that measures times."""
    return lib.rtw_clock_step_ns()


__all__ = ["Error", "Export", "Interval", "Measured", "Recorder", "buckets_frame", "clock_step_ns", "document", "export", "frame", "plot"]
