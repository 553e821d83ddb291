"""Workers: real-time threads of the library's own. They keep the time while Python does something else.

A worker calls guests without Python: it takes Python's lock only where a guest calls a host function of Python.
"""
from __future__ import annotations

import ctypes
import itertools
from dataclasses import dataclass
from typing import Any, Sequence, cast

from . import _api
from ._api import RTW_FOREVER, Series, Status
from ._library import Error, Handle, as_dict, call, check, create, lib, listed, new, pending, read, text
from ._runtime import DryCall, Func, Runtime, dry
from ._stats import Interval, Measured

SLICE_NS = 100_000_000  # how long a wait leaves Python's signals alone


class Worker(Handle, Measured):
    """A pinned, prioritised thread that calls guests: every period (`Worker.periodic`) or on request (`Worker.queue`)."""

    _destroy = "rtw_worker_destroy"
    _export = "rtw_worker_export"
    _order = 0

    def __init__(self, runtime: Runtime, config: _api.rtw_worker_config_t) -> None:
        super().__init__(create("rtw_worker_create", runtime.handle, ctypes.byref(config)))
        self.runtime = runtime
        self._thread: int = self.info()["thread_id"]
        self._tags = itertools.count(1)
        self._submitted: dict[int, tuple[Func, Any]] = {}

    @classmethod
    def periodic(cls, runtime: Runtime, func: Func, arguments: Sequence[Any] = (), *, period_ns: int, period_limit: int | None = None,
                 early_ns: int | None = None, missed: _api.Missed | None = None, on_fault: _api.OnFault | None = None,
                 dry_calls: Sequence[DryCall] = (), **thread: Any) -> Worker:
        """Calls a function every period, always with the same arguments. `thread`: the fields of `rtw_worker_config_t` about the thread."""
        values = func.signature.values(tuple(arguments))
        config = cls._config(dry_calls, thread, kind=_api.WorkerKind.PERIODIC, period_ns=period_ns, period_limit=period_limit,
                             early_ns=early_ns, missed=missed, on_fault=on_fault, func=func.handle, value_count=func.signature.count)
        config.values = ctypes.cast(values, ctypes.POINTER(_api.rtw_value_t))
        worker = cls(runtime, config)
        worker._submitted[0] = (func, None)  # keeps the instance for its views and log
        return worker

    @classmethod
    def queue(cls, runtime: Runtime, *, capacity: int | None = None, spin_ns: int | None = None, dry_calls: Sequence[DryCall] = (),
              **thread: Any) -> Worker:
        """Runs what is submitted, in that order. `thread`: the fields of `rtw_worker_config_t` about the thread."""
        return cls(runtime, cls._config(dry_calls, thread, kind=_api.WorkerKind.QUEUE, queue_capacity=capacity, spin_ns=spin_ns))

    @staticmethod
    def _config(dry_calls: Sequence[DryCall], thread: dict[str, Any], **fields: Any) -> _api.rtw_worker_config_t:
        known = {"name", "sched_policy", "priority", "cpu", "denormals", "strict", "memory_lock", "statistics", "dma_latency_us",
                 "deadline_runtime_ns", "deadline_ns"}
        if unknown := set(thread) - known:
            raise TypeError(f"a worker's thread has no {', '.join(sorted(unknown))}")
        config = new(_api.rtw_worker_config_t, **fields, **{**thread, "name": text(thread.get("name"))})
        calls = dry(dry_calls)
        if dry_calls:
            config.dry_calls, config.dry_call_count = calls, len(calls)
        return config

    def start(self) -> None:
        """Starts it: prepares the guests on its thread, and returns as soon as it runs."""
        call("rtw_worker_start", self.handle)

    def stop(self) -> None:
        """Stops it, and waits until the current step has ended."""
        check(lib.rtw_worker_stop(self.handle))

    def join(self, timeout_ns: int | None = None) -> None:
        """Waits until it has stopped. Raises what has ended the run: a host function's exception, or the status of the step."""
        self._wait(lambda slice_ns: lib.rtw_worker_join(self.handle, slice_ns), timeout_ns)
        ended = self.info()["ended_by"]
        if ended != Status.OK:
            raise (ended == Status.HOST and pending.take(self._thread)) or Error(ended)

    def _wait(self, wait: Any, timeout_ns: int | None) -> None:
        left = RTW_FOREVER if timeout_ns is None else timeout_ns
        while True:
            slice_ns = min(left, SLICE_NS)
            status = wait(slice_ns)
            left -= slice_ns if timeout_ns is not None else 0
            if status != Status.TIMEOUT or left == 0:
                return check(status)

    def info(self) -> _api.WorkerInfo:
        """Whether it runs, its scheduling in force, why its last run ended."""
        return cast(_api.WorkerInfo, read("rtw_worker_info", _api.rtw_worker_info_t, self.handle))

    def warnings(self) -> list[Error]:
        """What the system has refused."""
        found = []
        for index in range(self.info()["warning_count"]):
            error = _api.rtw_error_t()
            check(lib.rtw_worker_warning(self.handle, index, ctypes.byref(error)))
            found.append(Error(error.status, error.message.decode(), error.os_error))
        return found

    # ---- a queue

    def submit(self, func: Func, *arguments: Any) -> int:
        """Queues a call and returns at once. The completion has the number that this returns."""
        values, tag = func.signature.values(arguments), next(self._tags)
        self._submitted[tag] = (func, arguments)
        status = lib.rtw_worker_submit(self.handle, func.handle, values, func.signature.count, tag)
        if status != Status.OK:
            del self._submitted[tag]
        check(status)
        return tag

    def invoke(self, func: Func, *arguments: Any) -> Any:
        """Calls a function on the worker's thread and waits for its end."""
        values = func.signature.values(arguments)
        self._check_call(lib.rtw_worker_invoke(self.handle, func.handle, values, func.signature.count), func)
        return func.signature.result(values)

    def poll(self) -> Completion | None:
        """Takes the oldest completion, if there is one."""
        out = new(_api.rtw_completion_t)
        status = lib.rtw_worker_poll(self.handle, ctypes.byref(out))
        if status == Status.EMPTY:
            return None
        check(status)
        return self._completion(out)

    def wait(self, timeout_ns: int | None = None) -> Completion:
        """Waits for a completion and takes the oldest one."""
        out = new(_api.rtw_completion_t)
        self._wait(lambda slice_ns: lib.rtw_worker_wait(self.handle, ctypes.byref(out), slice_ns), timeout_ns)
        return self._completion(out)

    def cancel(self, tag: int) -> bool:
        """Takes a call back that has not begun; its completion has the status CANCELLED. Returns whether there was one."""
        count = ctypes.c_size_t()
        status = lib.rtw_worker_cancel(self.handle, tag, ctypes.byref(count))
        if status != Status.EMPTY:
            check(status)
        return count.value > 0

    def _completion(self, out: _api.rtw_completion_t) -> Completion:
        func, _ = self._submitted.pop(out.tag)
        exception: BaseException | None = None
        try:
            self._check_call(out.status, func)
        except BaseException as caught:
            exception = caught
        result = func.signature.result(out.values) if exception is None else None
        return Completion(out.tag, out.status, result, exception, out.submitted_ns, out.started_ns, out.ended_ns)

    def _check_call(self, status: int, func: Func) -> None:
        if status == Status.HOST and (exception := pending.take(self._thread)):
            raise exception
        if status != Status.OK:
            func.instance._raise(status)

    # ---- statistics

    def stats(self) -> _api.WorkerStats:
        return cast(_api.WorkerStats, read("rtw_worker_stats", _api.rtw_worker_stats_t, self.handle))

    def stats_reset(self) -> None:
        check(lib.rtw_worker_stats_reset(self.handle))

    def buckets(self, series: Series = Series.RESPONSE) -> list[_api.Bucket]:
        """The histogram of one of the distributions."""
        found = listed(lambda *out: lib.rtw_worker_buckets(self.handle, series, *out), _api.rtw_bucket_t)
        return [cast(_api.Bucket, as_dict(bucket)) for bucket in found]

    def worst(self) -> list[_api.Worst]:
        """The slowest steps, with what happened at the same time."""
        found = listed(lambda *out: lib.rtw_worker_worst(self.handle, *out), _api.rtw_worst_t)
        return [cast(_api.Worst, as_dict(step)) for step in found]

    def timeline(self) -> list[_api.Second]:
        """The longest response time of each second."""
        found = listed(lambda *out: lib.rtw_worker_timeline(self.handle, *out), _api.rtw_second_t)
        return [cast(_api.Second, as_dict(second)) for second in found]

    def interval(self, series: Series = Series.RESPONSE) -> Interval:
        """A reader of what is recorded between its reads, of one distribution."""
        return Interval(create("rtw_worker_interval", self.handle, series))


@dataclass(frozen=True)
class Completion:
    """What became of a call that was submitted."""

    tag: int
    status: int
    value: Any
    exception: BaseException | None
    submitted_ns: int
    started_ns: int
    ended_ns: int

    def result(self) -> Any:
        """What the function has returned. Raises what has ended the call."""
        if self.exception is not None:
            raise self.exception
        return self.value
