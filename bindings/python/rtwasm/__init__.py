"""rtwasm: WebAssembly inside threads that must never be late.

    import rtwasm

    runtime = rtwasm.Runtime()
    instance = runtime.load("gain.rtw").instance()
    gain = instance.func("gain")
    instance.memory().array("f4", 0, 128)[:] = 1
    gain(128, 0.5)
    print(gain.stats()["call"]["max_ns"])

A thread of Python keeps no deadline: give calls that must be on time to a Worker, and read its statistics.
"""
from ._api import (RTW_FOREVER, BlockFlag, Budget, Cancel, Cause, CompileInterruption, CompileOpt, CompileReservation, Denormals, Export,
                   GrowthMode, HostClass, HostSeverity, HostState, HostVerdict, Initialize, Lock, LogLevel, Missed, OnFault, Profile, Sched,
                   Series, SlotEvent, StateTransfer, Status, Stubs)
from ._compiler import compile
from ._doctor import HostReport, check_host
from ._guest import Change, Description, Guest, Midi, describe
from ._library import Error, Trap, lib
from ._runtime import Caller, Func, Imports, Instance, Memory, Module, Runtime
from ._slot import Block, Event, Slot
from ._stats import Interval, Recorder, buckets_frame, clock_step_ns, document, export, frame, plot
from ._worker import Completion, Worker

__version__ = "0.1.0"


def version() -> str:
    """The versions of the library and of its engine."""
    return (lib.rtw_version_string() or b"").decode()


__all__ = [
    "Block", "BlockFlag", "Budget", "Caller", "Cancel", "Cause", "Change", "CompileInterruption", "CompileOpt", "CompileReservation",
    "Completion", "Denormals", "Description", "Error", "Event", "Export", "Func", "GrowthMode", "Guest", "HostClass", "HostReport",
    "HostSeverity", "HostState", "HostVerdict", "Imports", "Initialize", "Instance", "Interval", "Lock", "LogLevel", "Memory", "Midi",
    "Missed", "Module", "OnFault", "Profile", "RTW_FOREVER", "Recorder", "Runtime", "Sched", "Series", "Slot", "SlotEvent", "StateTransfer",
    "Status", "Stubs", "Trap", "Worker", "buckets_frame", "check_host", "clock_step_ns", "compile", "describe", "document", "export",
    "frame", "plot", "version",
]
