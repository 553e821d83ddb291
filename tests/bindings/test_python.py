"""The package for Python, through the library. Prints `ok WHAT` or `FAIL WHAT` for each test, and the sum.

Waits end with an event; PATIENCE_S is only how long a test that hangs may hang.
"""
import ctypes
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import traceback
import weakref
from array import array
from pathlib import Path

import numpy

import rtwasm
from rtwasm import Error, Status, Trap, _library

PATIENCE_S = 60
ROOT = Path(__file__).parents[2]
TYPES = """(module
  (memory (export "memory") 1 3)
  (global (export "level") (mut i32) (i32.const 5))
  (global (export "fixed") f64 (f64.const 1.5))
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $twice)
  (func $twice (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "wide") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
  (func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
  (func (export "third") (param f64) (result f64) (f64.div (local.get 0) (f64.const 3)))
  (func (export "same") (param v128) (result v128) (local.get 0))
  (func (export "swap") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "sum") (param i32 i32) (result f32) (local f32)
    (block (loop
      (br_if 1 (i32.eqz (local.get 1)))
      (local.set 2 (f32.add (local.get 2) (f32.load (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
      (br 0)))
    (local.get 2))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "spin") (loop (br 0)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))"""
ASKS = """(module
  (import "env" "ask" (func $ask (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "ask") (param i32) (result i32) (i32.add (call $ask (local.get 0)) (i32.const 1))))"""
PRINTS = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
  (data (i32.const 16) "hello\\n")
  (func (export "say") (param i32) (drop (call $write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8)))))"""
COUNTS = """(module
  (memory (export "memory") 1)
  (func (export "next") (result i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (i32.load (i32.const 0)))
  (func (export "fail") (unreachable)))"""

compiled: dict[tuple[str, int], bytes] = {}


def guest(source: str, runtime=None, imports=None, profile=rtwasm.Profile.PLUGIN, **config) -> rtwasm.Instance:
    artifact = compiled.setdefault((source, profile), rtwasm.compile(source, profile=profile))
    return (runtime or rtwasm.Runtime()).load(artifact).instance(imports, **config)


def raises(kind, action, *arguments, says=""):
    try:
        action(*arguments)
    except kind as found:
        assert says in str(found), f"{found!r} does not say {says!r}"
        return found
    raise AssertionError(f"no {kind.__name__}")


# ---- calls

def test_the_package_names_the_library():
    assert rtwasm.version().startswith("rtwasm 0.1.")
    assert rtwasm.clock_step_ns() > 0


def test_values_of_every_type_cross_in_both_directions():
    for profile in (rtwasm.Profile.PLUGIN, rtwasm.Profile.STANDALONE):
        instance = guest(TYPES, profile=profile)
        assert instance.func("twice")(-3) == -6
        assert instance.func("twice", "(i32)->(i32)")(2**31 - 1) == -2
        assert instance.func("wide")(2**62) == 2**62 + 1
        assert instance.func("half")(3) == 1.5
        assert instance.func("third")(1) == 1 / 3
        assert instance.func("same")(bytes(range(16))) == bytes(range(16))
        assert instance.func("swap")(7, 0.25) == (0.25, 7)
        assert instance.func("nothing")() is None


def test_values_that_do_not_fit_are_refused_before_the_call():
    instance = guest(TYPES)
    raises(OverflowError, instance.func("twice"), 2**32, says="is no i32")
    raises(OverflowError, instance.func("wide"), -2**63 - 1, says="is no i64")
    raises(TypeError, instance.func("twice"), 1.5)
    raises(TypeError, instance.func("twice"), 1, 2, says="takes 1 arguments, not 2")
    raises(ValueError, instance.func("same"), b"short", says="16 bytes")
    assert instance.func("twice").stats()["call"]["count"] == 0


def test_errors_say_what_the_library_says():
    instance = guest(TYPES)
    found = raises(Error, instance.func, "absent", says="absent")
    assert found.status is Status.NO_EXPORT
    assert raises(Error, instance.func, "twice", "(f32)->()", says="(i32)->(i32)").status is Status.SIGNATURE
    assert raises(Error, rtwasm.Runtime().load, b"nonsense").status is Status.NOT_ARTIFACT
    assert raises(Error, rtwasm.Runtime().load, "/nowhere.rtw").status is Status.IO
    assert raises(Error, rtwasm.compile, "(module (func (result i32)))").status is Status.WASM


def test_a_file_is_loaded_and_probed():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "types.rtw"
        path.write_bytes(rtwasm.compile(TYPES))
        runtime = rtwasm.Runtime()
        info = runtime.probe(path)
        assert info["export_count"] == 15 and info["engine"].startswith("wasmtime"), info
        module = runtime.load(path)
        assert {"kind": 3, "module": "", "name": "fixed", "ty": "global f64"} in module.exports
        assert [extern["name"] for extern in runtime.load(rtwasm.compile(ASKS)).missing()] == ["ask"]


def test_a_trap_is_described_and_a_reset_renews():
    for profile in (rtwasm.Profile.PLUGIN, rtwasm.Profile.STANDALONE):
        instance = guest(TYPES, profile=profile)
        divide = instance.func("divide")
        assert divide(1) == 1
        found = raises(Trap, divide, 0)
        assert found.status is Status.TRAP_DIVIDE_BY_ZERO and found.fault["function_index"] == 10, found.fault
        assert raises(Error, divide, 1).status is Status.FAULTED
        instance.reset()
        assert divide(1) == 1 and instance.fault() is None
        assert divide.stats()["faults"] == 1


def test_a_budget_cuts_off():
    instance = guest(TYPES, budget_ns=2_000_000)
    assert raises(Trap, instance.func("spin")).status is Status.BUDGET
    assert instance.module.runtime.watchdog()["cut_offs"] == 1
    instance.reset()
    spin = instance.func("spin")
    assert raises(Trap, lambda: spin(budget_ns=1_000_000)).status is Status.BUDGET


def test_threads_attach_themselves_or_are_told_to():
    runtime = rtwasm.Runtime()
    twice = guest(TYPES, runtime).func("twice")
    assert runtime.stats()["late_attaches"] == 0
    twice(1)
    assert runtime.stats() == {"attached_threads": 1, "late_attaches": 1}
    strict = rtwasm.Runtime(attach_on_call=False)
    twice = guest(TYPES, strict).func("twice")
    assert raises(Error, twice, 1).status is Status.NOT_ATTACHED
    with strict.attached(denormals=rtwasm.Denormals.FLUSH):
        assert twice(1) == 2
    assert raises(Error, twice, 1).status is Status.NOT_ATTACHED
    assert strict.signals()["status"] == Status.OK


def test_prepare_reports_and_dry_calls_are_not_counted():
    instance = guest(TYPES)
    twice = instance.func("twice")
    report = instance.prepare([(twice, [4], 10)])
    assert report["dry_calls"] == 10 and report["touched_bytes"] > 0
    assert twice.stats()["call"]["count"] == 0


def test_globals_and_table_entries():
    instance = guest(TYPES)
    assert instance.get_global("level") == 5 and instance.get_global("fixed") == 1.5
    instance.set_global("level", -1)
    assert instance.get_global("level") == -1
    assert raises(Error, instance.set_global, "fixed", 2.0).status is Status.ARGUMENT
    assert instance.table_func(0, "(i32)->(i32)")(8) == 16
    assert raises(Error, instance.table_func, 1, "(i32)->(i32)").status is Status.NO_EXPORT


def test_threads_of_python_take_turns_at_an_instance():
    next_one = guest(COUNTS).func("next")
    found = []
    def work():
        for _ in range(500):
            found.append(next_one())
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(found) == list(range(1, 2001))


# ---- memory

def test_arrays_are_the_guests_memory():
    instance = guest(TYPES)
    memory = instance.memory()
    samples = memory.array("f4", 1024, 4)
    samples[:] = [1, 2, 3, 4]
    assert instance.func("sum")(1024, 4) == 10
    address = samples.__array_interface__["data"][0]
    assert address == _library.lib.rtw_instance_memory_at(instance.handle, 1024, 16), "no copy"
    assert samples.flags.writeable and len(memory) == 65536
    assert memory.read(1024, 4) == numpy.float32(1).tobytes()
    memory.write(1024, numpy.float32(5).tobytes())
    assert samples[0] == 5
    raises(IndexError, memory.array, "f4", 65532, 2)
    raises(IndexError, memory.view, -1, 1)


def test_growth_leaves_arrays_and_shows_new_pages():
    instance = guest(TYPES, growth=rtwasm.GrowthMode.ALLOWED)
    memory = instance.memory()
    before = memory.array("u1")
    before[0] = 9
    assert instance.func("grow")() == 1
    assert len(memory) == 2 * 65536 and memory.grow(1) == 2 and len(memory) == 3 * 65536
    assert before.size == 65536 and before[0] == 9 and memory.array("u1").size == 3 * 65536
    assert instance.growth()["granted"] == 2
    assert raises(Error, memory.grow, 1).status is Status.LIMIT
    assert instance.growth()["refused_maximum"] == 1


def test_what_would_free_the_memory_under_an_array_is_refused():
    runtime = rtwasm.Runtime()
    instance = guest(TYPES, runtime)
    slot = rtwasm.Slot(runtime, [("twice", "(i32)->(i32)")])
    part = instance.memory().array("i4")[10:20]
    for action in (instance.reset, instance.close, lambda: slot.publish(instance)):
        raises(BufferError, action, says="1 views")
    part[0] = 3  # and it is still there
    del part
    instance.reset()
    assert instance.memory().array("i4")[10] == 0
    view = instance.memory().view(0, 8)
    raises(BufferError, instance.reset)
    view.release()
    gc.collect()
    del view
    instance.reset()
    slot.publish(instance)
    raises(BufferError, instance.memory().view, says="slot")


def test_an_array_keeps_its_instance():
    instance = guest(TYPES)
    seen = weakref.ref(instance)
    samples = instance.memory().array("f4", 0, 4)
    del instance
    gc.collect()
    samples[:] = 1
    assert seen() is not None
    del samples
    gc.collect()
    assert seen() is None, "twin: without the array it ends"


# ---- host functions

def asking(answer, **options):
    imports = rtwasm.Imports()
    imports.func("env", "ask", "(i32)->(i32)", answer, **options)
    instance = guest(ASKS, imports=imports)
    return instance, instance.func("ask")


def test_guests_call_python():
    _, ask = asking(lambda x: x * 10)
    assert ask(4) == 41
    imports = rtwasm.Imports()

    @imports.func("env", "ask", "(i32)->(i32)", pass_caller=True)
    def answer(caller, offset):
        caller.write(offset, b"\x07")
        assert caller.instance is instance
        raises(IndexError, caller.read, 65536, 1)
        return caller.read(offset, 1)[0]

    instance = guest(ASKS, imports=imports)
    assert instance.func("ask")(100) == 8 and instance.memory().read(100, 1) == b"\x07"


class Surprise(Exception):
    pass


def test_an_exception_ends_the_call_and_is_raised_from_it():
    def answer(x):
        raise Surprise(x)
    instance, ask = asking(answer)
    found = raises(Surprise, ask, 12, says="12")
    assert "answer" in [frame.name for frame in traceback.extract_tb(found.__traceback__)]
    assert instance.fault()["status"] == Status.HOST and instance.fault()["host_status"] == 1
    assert raises(Error, ask, 1).status is Status.FAULTED, "the guest did not go on"
    assert ask.stats()["faults"] == 1
    instance.reset()
    raises(Surprise, ask, 13, says="13")


def test_twin_a_bare_callback_loses_the_exception():
    """With ctypes alone the exception is printed, and the callback returns a status of nobody's: whatever its memory held."""
    def bare(user_data, instance, values):
        raise Surprise
    printed = []
    hook, sys.unraisablehook = sys.unraisablehook, printed.append
    imports = rtwasm.Imports()
    callback = rtwasm._api.rtw_host_func_t(bare)
    _library.call("rtw_imports_func", imports.handle, b"env", b"ask", b"(i32)->(i32)", callback, None,
                  ctypes.cast(None, rtwasm._api.rtw_finalizer_t), 0)
    try:
        assert guest(ASKS, imports=imports).func("ask")(1) == 2, "the status was that of success"
    except Error as error:
        assert error.status is Status.HOST and error.__cause__ is None, "the status was another one"
    finally:
        sys.unraisablehook = hook
    assert [type(entry.exc_value) for entry in printed] == [Surprise]


def test_exceptions_cross_several_guests():
    inner_instance, inner = asking(lambda x: 1 // x)
    _, outer = asking(lambda x: inner(x))
    assert outer(1) == 3
    raises(ZeroDivisionError, outer, 0)
    def caught(x):
        try:
            return inner(x)
        except ZeroDivisionError:
            return -1
    inner_instance.reset()
    _, careful = asking(caught)
    assert careful(0) == 0


def test_a_wrong_result_ends_the_call_too():
    raises(TypeError, asking(lambda x: None)[1], 1)
    raises(TypeError, asking(lambda x: "text")[1], 1)
    raises(OverflowError, asking(lambda x: 2**40)[1], 1)


def test_an_interrupt_leaves_the_guest():
    def answer(x):
        signal.raise_signal(signal.SIGINT)
        return x
    raises(KeyboardInterrupt, asking(answer)[1], 1)
    def leave(x):
        sys.exit(4)
    raises(SystemExit, asking(leave)[1], 1)


def test_a_start_function_that_fails_raises():
    source = """(module (import "env" "ask" (func $ask (param i32) (result i32)))
      (func $start (drop (call $ask (i32.const 1)))) (start $start))"""
    def answer(x):
        raise Surprise
    imports = rtwasm.Imports()
    imports.func("env", "ask", "(i32)->(i32)", answer)
    raises(Surprise, guest, source, None, imports)


def test_functions_are_freed_when_nothing_can_call_them():
    class Callable:
        def __call__(self, x):
            return x
    callback = Callable()
    seen = weakref.ref(callback)
    imports = rtwasm.Imports()
    imports.func("env", "ask", "(i32)->(i32)", callback)
    instance = guest(ASKS, imports=imports)
    ask = instance.func("ask")
    del callback, imports
    gc.collect()
    assert ask(1) == 2 and seen() is not None, "the instance keeps it"
    del ask, instance
    gc.collect()
    _library.register(None)  # empties what finalizers have left
    assert seen() is None
    raises(ValueError, rtwasm.Imports().func, "env", "ask", "nonsense", abs)


# ---- what guests print

def test_what_guests_print_is_logged():
    class Received(logging.Handler):
        def __init__(self):
            super().__init__()
            self.lines, self.there = [], threading.Event()
        def emit(self, record):
            self.lines.append((record.levelname, record.getMessage()))
            self.there.set()
    handler = Received()
    logger = logging.getLogger("rtwasm.guest")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    imports = rtwasm.Imports()
    imports.wasi()
    instance = guest(PRINTS, imports=imports)
    instance.func("say")(2)
    assert handler.there.wait(PATIENCE_S)
    logger.removeHandler(handler)
    assert handler.lines == [("WARNING", "hello")], handler.lines
    assert instance.log_dropped == 0


def test_a_function_receives_messages_with_their_instance():
    received, there = [], threading.Event()
    def log(level, text, instance):
        received.append((level, text, instance))
        there.set()
    runtime = rtwasm.Runtime(log=log)
    imports = rtwasm.Imports()
    imports.wasi(args=["guest"], env={"A": "1"}, seed=1)
    instance = guest(PRINTS, runtime, imports)
    instance.func("say")(1)
    assert there.wait(PATIENCE_S)
    assert received == [(0, "hello", instance)]


def test_messages_without_room_are_counted():
    inside, go_on = threading.Event(), threading.Event()
    def log(level, text, instance):
        inside.set()
        go_on.wait(PATIENCE_S)
    runtime = rtwasm.Runtime(log=log)
    imports = rtwasm.Imports()
    imports.wasi()
    instance = guest(PRINTS, runtime, imports, log_bytes=1024)
    say = instance.func("say")
    say(1)
    assert inside.wait(PATIENCE_S)
    for _ in range(100):
        say(1)
    dropped = instance.log_dropped
    go_on.set()
    assert dropped > 0


# ---- workers

def test_a_worker_keeps_the_time_while_python_is_slow():
    """Python's lock is held by this thread from the start of the run to its end: the worker never needs it."""
    runtime = rtwasm.Runtime()
    instance = guest(COUNTS, runtime)
    worker = rtwasm.Worker.periodic(runtime, instance.func("next"), period_ns=1_000_000, period_limit=200, name="python-slow")
    worker.start()
    holding = ctypes.PyDLL(_library.find())  # calls of it keep Python's lock
    holding.rtw_worker_join.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    assert holding.rtw_worker_join(worker.handle, rtwasm.RTW_FOREVER) == Status.OK
    worker.join()
    stats = worker.stats()
    assert stats["ticks"] + stats["skipped"] == 200 and stats["response"]["count"] == 200, stats
    assert instance.memory().array("i4", 0, 1)[0] == stats["ticks"]


def test_twin_a_worker_whose_guest_needs_python_waits_for_it():
    runtime = rtwasm.Runtime()
    imports = rtwasm.Imports()
    imports.func("env", "ask", "(i32)->(i32)", lambda x: x)
    ask = guest(ASKS, runtime, imports).func("ask")
    worker = rtwasm.Worker.periodic(runtime, ask, [1], period_ns=1_000_000, period_limit=20)
    worker.start()
    holding = ctypes.PyDLL(_library.find())
    holding.rtw_worker_join.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    assert holding.rtw_worker_join(worker.handle, 200_000_000) == Status.TIMEOUT
    worker.join()
    assert not worker.info()["running"]


def test_a_periodic_worker_raises_what_has_ended_it():
    runtime = rtwasm.Runtime()
    imports = rtwasm.Imports()
    left = [3]
    def answer(x):
        left[0] -= 1
        if left[0] == 0:
            raise Surprise
        return x
    imports.func("env", "ask", "(i32)->(i32)", answer)
    ask = guest(ASKS, runtime, imports).func("ask")
    worker = rtwasm.Worker.periodic(runtime, ask, [1], period_ns=1_000_000)
    worker.start()
    raises(Surprise, worker.join)
    assert worker.info()["ended_by"] == Status.HOST and worker.stats()["faults"] == 1
    trap = rtwasm.Worker.periodic(runtime, guest(COUNTS, runtime).func("fail"), period_ns=1_000_000)
    trap.start()
    assert raises(Error, trap.join).status is Status.TRAP_UNREACHABLE


def test_a_queue_runs_what_is_submitted():
    runtime = rtwasm.Runtime()
    instance = guest(TYPES, runtime)
    twice, swap, divide = (instance.func(name) for name in ("twice", "swap", "divide"))
    with rtwasm.Worker.queue(runtime, capacity=4) as worker:
        assert raises(Error, worker.submit, twice, 1).status is Status.STOPPED
        worker.start()
        assert worker.poll() is None
        tags = [worker.submit(twice, 21), worker.submit(swap, 3, 0.5)]
        done = [worker.wait(), worker.wait()]
        assert [completion.tag for completion in done] == tags
        assert [completion.result() for completion in done] == [42, (0.5, 3)]
        assert done[0].submitted_ns <= done[0].started_ns <= done[0].ended_ns
        assert worker.invoke(twice, 4) == 8
        assert raises(Error, worker.wait, 1000).status is Status.TIMEOUT
        worker.submit(divide, 0)
        failed = worker.wait()
        assert failed.status == Status.TRAP_DIVIDE_BY_ZERO and failed.value is None
        assert raises(Trap, failed.result).fault["function_index"] == 10
        worker.stop()
        assert raises(Error, worker.wait).status is Status.STOPPED


def test_a_call_that_has_not_begun_can_be_taken_back():
    runtime = rtwasm.Runtime()
    inside, go_on = threading.Event(), threading.Event()
    def answer(x):
        inside.set()
        go_on.wait(PATIENCE_S)
        return x
    imports = rtwasm.Imports()
    imports.func("env", "ask", "(i32)->(i32)", answer)
    ask = guest(ASKS, runtime, imports).func("ask")
    with rtwasm.Worker.queue(runtime, capacity=2) as worker:
        worker.start()
        first, second = worker.submit(ask, 1), worker.submit(ask, 2)
        assert inside.wait(PATIENCE_S)
        assert raises(Error, worker.submit, ask, 3).status is Status.FULL
        assert worker.cancel(second) and not worker.cancel(first)
        go_on.set()
        assert worker.wait().result() == 2
        cancelled = worker.wait()
        assert cancelled.tag == second and cancelled.status == Status.CANCELLED


def test_a_queue_hands_exceptions_to_their_calls():
    runtime = rtwasm.Runtime()
    def answer(x):
        raise Surprise(x)
    def asks():
        imports = rtwasm.Imports()
        imports.func("env", "ask", "(i32)->(i32)", answer)
        return guest(ASKS, runtime, imports).func("ask")
    with rtwasm.Worker.queue(runtime) as worker:
        worker.start()
        raises(Surprise, worker.invoke, asks(), 5, says="5")
        worker.submit(asks(), 6)
        worker.submit(asks(), 7)
        raises(Surprise, worker.wait().result, says="6")
        raises(Surprise, worker.wait().result, says="7")


def test_a_worker_says_what_the_system_refuses():
    runtime = rtwasm.Runtime()
    twice = guest(TYPES, runtime).func("twice")
    try:
        worker = rtwasm.Worker.periodic(runtime, twice, [1], period_ns=1_000_000, sched_policy=rtwasm.Sched.FIFO, priority=99, strict=0,
                                        dma_latency_us=0, period_limit=2)
    except Error as refused:
        raise AssertionError(f"not strict, and refused: {refused}")
    worker.start()
    worker.join()
    assert len(worker.warnings()) == worker.info()["warning_count"]
    assert all(isinstance(warning, Error) and warning.status < 0 for warning in worker.warnings())
    raises(TypeError, lambda: rtwasm.Worker.queue(runtime, colour=1), says="colour")
    assert raises(Error, lambda: rtwasm.Worker.periodic(runtime, twice, [1], period_ns=1)).status is Status.ARGUMENT


# ---- slots

def test_a_slot_changes_instances_between_blocks():
    runtime = rtwasm.Runtime()
    events, taken = [], threading.Event()
    def on_event(event):
        events.append((event.kind, event.publication))
        if event.kind is rtwasm.SlotEvent.TAKEN and event.publication == 2:
            taken.set()
    slot = rtwasm.Slot(runtime, [("next", "()->(i32)"), ("fail", "()->()")], on_event=on_event)
    assert raises(Error, slot, "next").status is Status.EMPTY
    assert slot.publish(guest(COUNTS, runtime)) == 1
    assert [slot("next") for _ in range(3)] == [1, 2, 3]
    assert slot.publish(guest(COUNTS, runtime)) == 2
    with slot.block() as block:
        assert rtwasm.BlockFlag.NEW in block.flags
        assert block("next") == 1 and block.read(0, 4) == b"\x01\0\0\0"
        block.write(0, b"\x08\0\0\0")
        assert block("next") == 9
    raises(ValueError, block, "next")
    assert taken.wait(PATIENCE_S)
    stats = slot.stats()
    assert stats["publications"] == 2 and stats["taken"] == 2 and stats["blocks"] == 5, stats
    assert slot.func_stats("next")["call"]["count"] == 5
    assert events[0] == (rtwasm.SlotEvent.TAKEN, 1)


def test_a_spare_takes_over_after_a_fault():
    runtime = rtwasm.Runtime()
    ready = threading.Semaphore(0)
    def on_event(event):
        if event.kind is rtwasm.SlotEvent.SPARE_READY:
            ready.release()
    slot = rtwasm.Slot(runtime, [("next", "()->(i32)"), ("fail", "()->()")], standby=1, dry_calls=[("next", [], 3)], on_event=on_event)
    slot.publish(guest(COUNTS, runtime))
    assert slot("next") == 4, "after three dry calls"
    assert ready.acquire(timeout=PATIENCE_S)
    assert raises(Error, slot, "fail").status is Status.TRAP_UNREACHABLE
    with slot.block() as block:
        assert rtwasm.BlockFlag.SPARE in block.flags and block("next") == 4
    slot.close()


def test_state_is_transferred_by_python_or_not_at_all():
    runtime = rtwasm.Runtime()
    def carry(old, new):
        new.write(0, old.read(0, 4))
    slot = rtwasm.Slot(runtime, [("next", "()->(i32)")], on_state=carry)
    slot.publish(guest(COUNTS, runtime))
    assert [slot("next"), slot("next")] == [1, 2]
    slot.publish(guest(COUNTS, runtime))
    assert slot("next") == 3
    def refuse(old, new):
        raise Surprise
    slot = rtwasm.Slot(runtime, [("next", "()->(i32)")], on_state=refuse)
    slot.publish(guest(COUNTS, runtime))
    assert slot("next") == 1
    raises(Surprise, slot.publish, guest(COUNTS, runtime))
    assert slot("next") == 2, "the old one stays"


# ---- statistics

def driven(name, **options):
    """A guest for audio of a module in the tree, prepared."""
    path = next(path for folder in ("guests/built", "guests/templates/built", "tests/capi/guests")
                for path in (ROOT / folder).glob(f"{name}.wa[st]*") if path.suffix in (".wasm", ".wat"))
    artifact = rtwasm.compile(path.read_text() if path.suffix == ".wat" else path.read_bytes())
    imports = rtwasm.Imports()
    imports.libm()
    guest = rtwasm.Guest(rtwasm.Runtime().load(artifact).instance(imports), **options)
    guest.prepare()
    return guest


def test_a_guest_describes_itself():
    described = driven("drive").description
    assert described.info["name"] == "Drive" and described.info["meta"] == "author=rtwasm\nlicense=Apache-2.0"
    assert described.ports == [{"is_output": 0, "channel_count": 2, "name": "In"}, {"is_output": 1, "channel_count": 2, "name": "Out"}]
    assert [param["id"] for param in described.params] == ["gain", "limit"] and described.params[0]["max_value"] == 8
    assert [meter["id"] for meter in described.meters] == ["peak"]
    assert described.is_stateless and not described.takes_midi
    plain = rtwasm.Runtime().load(rtwasm.compile(TYPES))
    assert raises(Error, rtwasm.describe, plain).status == Status.UNSUPPORTED


def test_a_guest_computes_blocks_with_changes_at_their_frames():
    guest = driven("drive", sample_rate=44100, max_frames=64)
    ramp = numpy.linspace(0, 1, 500, dtype="f4")
    guest.set("gain", 2)
    left, right = guest.process([ramp, None])
    assert (numpy.asarray(left) == 2 * ramp).all() and not any(right) and guest.get(0) == 2
    assert guest.meter("peak") == 2 * float(ramp[-1])
    # In place, with another gain from frame 300 on. A value beyond the range is limited.
    both = [ramp.copy(), -ramp]
    assert guest.process(both, both, events=[rtwasm.Change(300, "gain", 99)])[0] is both[0]
    assert (both[0] == ramp * numpy.where(numpy.arange(500) < 300, 2, 8).astype("f4")).all() and (both[1] == -both[0]).all()
    assert guest.get("gain") == 8 and guest.stats()["call"]["count"] >= 16
    assert guest.process(frames=0)[0] == array("f") and guest.process([bytes_of(ramp), None])[0][7] == 8 * ramp[7]
    no_buffer = "input 0 is no buffer of"
    for wrong, what in (([ramp], "2 channels of input"), ([ramp.astype("f8"), None], no_buffer), ([ramp[::2], ramp], no_buffer)):
        raises(ValueError, guest.process, wrong, says=what)
    raises(ValueError, guest.process, [ramp, ramp], [bytes_of(ramp), ramp], says="output 0 can only be read")
    raises(ValueError, guest.process, says="number of frames")
    raises(KeyError, guest.set, "loudness", 1, says="no loudness among gain, limit")


def bytes_of(samples):
    """A buffer of floats that can only be read."""
    return memoryview(samples.tobytes()).cast("f")


def test_a_guest_plays_midi_and_keeps_its_state():
    guest = driven("tone")
    assert guest.description.takes_midi and not guest.description.is_stateless
    [sound] = guest.process(frames=100, events=[rtwasm.Change(0, "level", 0.25), rtwasm.Midi(40, b"\x90\x45\x64")])
    assert not any(sound[:40]) and all(abs(value) == 0.25 for value in sound[40:]) and guest.meter("note") == 69
    state = guest.save_state()
    other = driven("tone")
    other.load_state(state)
    assert other.get("level") == 0.25 and other.process(frames=300) == guest.process(frames=300)
    guest.reset()
    assert not any(guest.process(frames=10)[0]) and guest.get("level") == 0.25
    assert raises(Error, other.load_state, state[:-1]).status == Status.STATE
    raises(ValueError, guest.process, (), None, 1, [rtwasm.Midi(0, bytes(9))], says="1 to 8 bytes")


def test_a_guest_that_faults_is_silent_until_it_is_renewed():
    guest = driven("driven", max_frames=100)
    assert guest.latency == 7
    guest.set(0, 3)
    source, result = numpy.ones(300, "f4"), numpy.zeros(300, "f4")
    raises(Trap, guest.process, [source], [result], 300, [rtwasm.Change(250, 1, 1)])
    assert (result[:250] == 4).all() and not result[250:].any()
    guest.set(1, 0)
    assert raises(Error, guest.process, [source], [result]).status == Status.FAULTED
    guest.renew()
    guest.set_budget(0)
    guest.process([source], [result])
    assert (result == 4).all()


def test_statistics_are_dicts_and_intervals_add_up():
    instance = guest(TYPES)
    twice, half = instance.func("twice"), instance.func("half")
    interval, of_all = twice.interval(), instance.interval()
    for n in range(10):
        twice(n)
    assert interval.read()["call"]["count"] == 10
    half(1)
    twice(1)
    assert interval.read()["call"]["count"] == 1 and of_all.read()["call"]["count"] == 12
    stats = twice.stats()
    assert stats["call"]["count"] == 11 and stats["call"]["min_ns"] <= stats["call"]["p50_ns"] <= stats["call"]["max_ns"]
    assert sum(bucket["count"] for bucket in twice.buckets()) == 11
    assert instance.stats()["call"]["count"] == 12
    assert json.loads(json.dumps(stats)) == stats
    twice.stats_reset()
    assert twice.stats()["call"]["count"] == 0 and instance.stats()["call"]["count"] == 12
    assert json.loads(interval.export())["reports"][0]["series"][0]["count"] == 11
    assert instance.held_bytes > 65536 and instance.module.runtime.held_bytes == instance.held_bytes


def test_a_recorder_has_the_hosts_own_times():
    recorder = rtwasm.Runtime().recorder("chain")
    interval = recorder.interval()
    for ns in (1000, 2000, 3000):
        recorder.record_ns(ns)
    assert recorder.stats()["call"]["count"] == 3 and 2900 < recorder.stats()["call"]["max_ns"] < 3100
    assert interval.read()["call"]["count"] == 3
    assert '"name":"chain"' in recorder.export().replace(" ", "")
    assert '"name":"other"' in recorder.export(name="other").replace(" ", "")


def worked():
    runtime = rtwasm.Runtime()
    worker = rtwasm.Worker.periodic(runtime, guest(COUNTS, runtime).func("next"), period_ns=1_000_000, period_limit=30)
    intervals = {series: worker.interval(series) for series in rtwasm.Series}
    worker.start()
    worker.join()
    return worker, intervals


def test_a_workers_statistics_in_every_form():
    worker, intervals = worked()
    stats = worker.stats()
    assert sum(bucket["count"] for bucket in worker.buckets(rtwasm.Series.CALL)) == stats["call"]["count"]
    assert intervals[rtwasm.Series.RESPONSE].read()["call"]["count"] == stats["response"]["count"] == 30
    assert worker.worst()[0]["response_ns"] == max(step["response_ns"] for step in worker.worst())
    assert sum(second["count"] for second in worker.timeline()) == stats["ticks"]
    page = worker.export(rtwasm.Export.HTML, name="loop")
    assert page.startswith("<!") and "loop" in page
    worker.stats_reset()
    assert worker.stats()["ticks"] == 0


def test_data_frames_have_the_exports_figures():
    worker, _ = worked()
    instance = guest(TYPES)
    twice = instance.func("twice")
    for n in range(20):
        twice(n)
    table = rtwasm.frame({"loop": worker, "twice": twice})
    row = table[(table.subject == "twice") & (table.series == "call_time")].iloc[0]
    assert row["count"] == 20 and row["kind"] == "func" and abs(row["max_ns"] - twice.stats()["call"]["max_ns"]) < 1
    assert set(table[table.subject == "loop"].series) >= {"call_time"} and len(table[table.subject == "loop"]) == 4
    buckets = rtwasm.buckets_frame(twice)
    assert buckets["count"].sum() == 20 and (buckets.low_ns < buckets.high_ns).all()
    assert twice.export(rtwasm.Export.CSV).count("\n") == len(buckets) + 1


def test_a_plot_has_a_curve_for_each_series():
    twice = guest(TYPES).func("twice")
    for n in range(100):
        twice(n)
    with tempfile.TemporaryDirectory() as folder:
        figure = rtwasm.plot({"twice": twice}, Path(folder) / "times.png")
        assert (Path(folder) / "times.png").read_bytes().startswith(b"\x89PNG")
        twice.export(rtwasm.Export.OPENMETRICS, Path(folder) / "metrics.txt")
        assert (Path(folder) / "metrics.txt").read_text().endswith("# EOF\n")
    line, = figure.axes[0].lines
    assert line.get_label() == "twice: call_time" and len(line.get_ydata()) == len(twice.buckets())
    assert abs(max(line.get_ydata()) * 1000 - max(bucket["high_ns"] for bucket in twice.buckets())) < 1


# ---- the doctor, the compiler, the process

def test_the_doctor_reports():
    report = rtwasm.check_host(rtwasm.HostClass.AUDIO_128)
    assert report.verdict(rtwasm.HostClass.AUDIO_128) in list(rtwasm.HostVerdict)
    finding = report.findings[0]
    assert finding["id"] and finding["why"] and finding["state"] in list(rtwasm.HostState), finding
    with tempfile.TemporaryDirectory() as empty:
        unknown = rtwasm.check_host(root=empty)
        assert any(found["state"] == rtwasm.HostState.UNKNOWN for found in unknown.findings)
    raises(Error, lambda: rtwasm.check_host(root="/nowhere"))


def test_the_compiler_has_its_options():
    artifact = rtwasm.compile(COUNTS, profile=rtwasm.Profile.PLUGIN, init=["next", "next"], cpu="x86-64-v2" if os.uname().machine == "x86_64"
                              else "aarch64")
    assert rtwasm.Runtime().load(artifact).instance().func("next")() == 3
    assert rtwasm.Runtime().probe(artifact)["profile"] == rtwasm.Profile.PLUGIN
    assert raises(Error, lambda: rtwasm.compile(COUNTS, target="nowhere")).status is Status.UNSUPPORTED


def test_what_is_closed_says_so():
    with rtwasm.Runtime() as runtime:
        instance = guest(TYPES, runtime)
    raises(ValueError, runtime.load, b"", says="this Runtime is closed")
    assert instance.func("twice")(1) == 2, "a child keeps its parents"
    instance.close()
    instance.close()
    raises(ValueError, instance.func, "twice", says="this Instance is closed")


def program(source, **environment):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(source)], env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=PATIENCE_S)


def test_a_process_ends_quietly_while_all_of_it_runs():
    found = program("""
        import rtwasm
        counts = '(module (import "env" "f" (func $f)) (memory (export "memory") 1) (func (export "next") (call $f)))'
        runtime = rtwasm.Runtime()
        imports = rtwasm.Imports()
        imports.func("env", "f", "()->()", lambda: None)
        module = runtime.load(rtwasm.compile(counts))
        instance = module.instance(imports)
        worker = rtwasm.Worker.periodic(runtime, instance.func("next"), period_ns=100_000)
        worker.start()
        slot = rtwasm.Slot(runtime, [("next", "()->()")], standby=2, on_event=print)
        slot.publish(module.instance(imports))
        array = module.instance(imports).memory().array("f4")
        print("end", flush=True)""")
    assert found.returncode == 0 and "end\n" in found.stdout and found.stderr == "", found


def test_a_forked_child_cannot_use_what_its_parent_has():
    worker, _ = worked()
    child = os.fork()
    if child == 0:
        try:
            worker.info()
        except Error as found:
            os._exit(0 if found.status is Status.FORKED else 3)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_another_version_of_the_library_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "other.c", Path(folder) / "other.so"
        source.write_text('unsigned rtw_version(void) { return 512; } const char *rtw_version_string(void) { return "rtwasm 0.2.0"; }')
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
        found = program("import rtwasm", RTWASM_LIBRARY=str(library))
    assert "is rtwasm 0.2.0; this package needs version 0.1" in found.stderr, found


def test_a_missing_compiler_is_named():
    found = program("import rtwasm; rtwasm.compile('(module)')", RTWASM_COMPILER_LIBRARY="/nowhere.so")
    assert "install rtwasm or the wheel rtwasm_compiler (make wheel)" in found.stderr, found


def test_the_notebook_runs():
    notebook = Path(__file__).parents[2] / "bindings/python/examples/first_steps.py"
    cells = notebook.read_text().split("# %%")
    assert len(cells) > 6
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            names = {"__name__": "__main__"}
            for number, cell in enumerate(cells):
                exec(compile("#" + cell, f"{notebook.name}, cell {number}", "exec"), names)
        finally:
            os.chdir(here)
        assert (Path(folder) / "response.png").is_file() and (Path(folder) / "loop.html").is_file()
    assert names["slow"]["ticks"] + names["slow"]["skipped"] == 200


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        what = name.removeprefix("test_").replace("_", " ")
        try:
            test()
            passed += 1
            print("ok", what, flush=True)
        except BaseException:  # an interrupt that leaves a test is a failure of that test
            failed += 1
            print("FAIL", what, flush=True)
            print(textwrap.indent(traceback.format_exc(), "    "), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
