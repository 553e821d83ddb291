"""Runtimes, modules, imports, instances, functions, memories."""
from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence, Union, cast

from . import _api, _library
from ._api import Status
from ._library import Error, Handle, Trap, as_dict, call, check, create, lib, listed, new, pending, read, register, registry, text
from ._stats import Interval, Measured, Recorder
from ._values import Signature, fetch, store

if TYPE_CHECKING:
    import numpy

Artifact = Union[bytes, bytearray, memoryview, "os.PathLike[str]", str]
Log = Union[Callable[[int, str, "Instance | None"], None], logging.Logger, None]
DryCall = tuple["Func", Sequence[Any], int]
guests: weakref.WeakValueDictionary[int, Instance] = weakref.WeakValueDictionary()


# ---- runtimes

def log_received(key: int, instance: int | None, level: int, address: int, length: int) -> None:
    receive = registry.get(key)
    if receive is not None:
        receive(level, ctypes.string_at(address, length).decode(errors="replace"), guests.get(instance or 0))


LOG_RECEIVED = _api.rtw_log_func_t(log_received)


LEVELS = {0: logging.INFO, 1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING}


class Runtime(Handle):
    """The context of everything else.

    `log` receives what guests print and log, on a thread of the library's: a logger (default: "rtwasm.guest"), a function of level,
    text and instance, or None. Threads that call are attached when they first call, unless `attach_on_call` is False.
    """

    _destroy = "rtw_runtime_destroy"
    _order = 4

    def __init__(self, *, profile: _api.Profile | None = None, sched_policy: _api.Sched | None = None, priority: int | None = None,
                 cpus: Sequence[int] = (), statistics: bool = True, memory_lock: _api.Lock | None = None,
                 guest_stack_bytes: int | None = None, watchdog_tick_ns: int | None = None, attach_on_call: bool = True,
                 allow_signal_handlers: bool = True, memory_limit_bytes: int | None = None, trusted_keys: Sequence[bytes] = (),
                 log: Log = logging.getLogger("rtwasm.guest")) -> None:
        config = new(_api.rtw_runtime_config_t, profile=profile, sched_policy=sched_policy, priority=priority, statistics=int(statistics),
                     memory_lock=memory_lock, guest_stack_bytes=guest_stack_bytes, watchdog_tick_ns=watchdog_tick_ns,
                     attach_on_call=int(attach_on_call), allow_signal_handlers=int(allow_signal_handlers),
                     memory_limit_bytes=memory_limit_bytes)
        for cpu in cpus:
            config.cpu_set[cpu // 64] |= 1 << cpu % 64
        keys = (_api.rtw_public_key_t * len(trusted_keys))(*(_api.rtw_public_key_t((ctypes.c_uint8 * 32)(*key)) for key in trusted_keys))
        if trusted_keys:
            config.trusted_keys, config.trusted_key_count = keys, len(trusted_keys)
        if log is not None:
            # The housekeeper may pass on what was left after the runtime is closed, so the key stays.
            config.on_log, config.log_user_data = LOG_RECEIVED, register(self._receiver(log))
        super().__init__(create("rtw_runtime_create", ctypes.byref(config)))

    @staticmethod
    def _receiver(log: Callable[[int, str, Instance | None], None] | logging.Logger) -> Callable[[int, str, Instance | None], None]:
        if not isinstance(log, logging.Logger):
            return log
        logger = log
        return lambda level, message, _: logger.log(LEVELS.get(level, logging.ERROR), "%s", message)

    def load(self, artifact: Artifact) -> Module:
        """Loads an artifact: its bytes, or a file with it."""
        if isinstance(artifact, (bytes, bytearray, memoryview)):
            data = bytes(artifact)
            return Module(create("rtw_module_load", self.handle, data, len(data)), self)
        return Module(create("rtw_module_load_file", self.handle, os.fsencode(artifact)), self)

    def probe(self, artifact: Artifact) -> _api.ModuleInfo:
        """What an artifact is. Raises why it would not load."""
        data = bytes(artifact) if isinstance(artifact, (bytes, bytearray, memoryview)) else Path(artifact).read_bytes()
        info = new(_api.rtw_module_info_t)
        call("rtw_module_probe", self.handle, data, len(data), ctypes.byref(info))
        return cast(_api.ModuleInfo, as_dict(info))

    def attach(self, *, sched_policy: _api.Sched | None = None, priority: int | None = None, cpu: int | None = None,
               denormals: _api.Denormals | None = None) -> None:
        """Attaches the calling thread, with scheduling and affinity; a first call attaches it without them."""
        config = new(_api.rtw_thread_config_t, sched_policy=sched_policy, priority=priority, cpu=cpu, denormals=denormals)
        call("rtw_thread_attach", self.handle, ctypes.byref(config))

    def detach(self) -> None:
        """Detaches the calling thread."""
        call("rtw_thread_detach", self.handle)

    @contextlib.contextmanager
    def attached(self, **options: Any) -> Iterator[None]:
        """Attaches the calling thread for a `with`."""
        self.attach(**options)
        try:
            yield
        finally:
            self.detach()

    def stats(self) -> _api.RuntimeStats:
        return cast(_api.RuntimeStats, read("rtw_runtime_stats", _api.rtw_runtime_stats_t, self.handle))

    def watchdog(self) -> _api.WatchdogStats:
        """How late the watchdog's ticks come, and what it has cut off."""
        return cast(_api.WatchdogStats, read("rtw_runtime_watchdog", _api.rtw_watchdog_stats_t, self.handle))

    def signals(self) -> _api.Signals:
        """Whether the signal handlers of the standalone profile are in place."""
        return cast(_api.Signals, read("rtw_runtime_signals", _api.rtw_signals_t, self.handle))

    @property
    def held_bytes(self) -> int:
        """Memory that all guests hold now."""
        return lib.rtw_runtime_held_bytes(self.handle)

    def recorder(self, name: str) -> Recorder:
        """A histogram of the host's own times."""
        return Recorder(create("rtw_recorder_create", self.handle, name.encode()))


# ---- modules

class Module(Handle):
    """A loaded artifact."""

    _destroy = "rtw_module_destroy"

    def __init__(self, address: int, runtime: Runtime) -> None:
        super().__init__(address)
        self.runtime = runtime
        self.exports = self._externs("rtw_module_export_count", "rtw_module_export")
        self.imports = self._externs("rtw_module_import_count", "rtw_module_import")

    def _externs(self, counted: str, one: str) -> list[_api.Extern]:
        found = []
        for index in range(getattr(lib, counted)(self.handle)):
            extern = _api.rtw_extern_t()
            check(getattr(lib, one)(self.handle, index, ctypes.byref(extern)))
            found.append(cast(_api.Extern, as_dict(extern)))
        return found

    def type_of(self, name: str) -> str:
        """The type of an export, or of an import if nothing is exported under that name."""
        for extern in (*self.exports, *self.imports):
            if extern["name"] == name:
                return extern["ty"]
        raise Error(Status.NO_EXPORT, f"the module neither exports nor imports {name}")

    def missing(self, imports: Imports | None = None) -> list[_api.Extern]:
        """The imports that nobody provides."""
        count = ctypes.c_size_t()
        capacity = len(self.imports)
        indices = (ctypes.c_uint32 * capacity)()
        status = lib.rtw_imports_missing(imports.handle if imports else None, self.handle, indices, capacity, ctypes.byref(count), None)
        if status not in (Status.OK, Status.IMPORT_MISSING, Status.IMPORT_TYPE):
            check(status)
        return [self.imports[index] for index in indices[:count.value]]

    def instance(self, imports: Imports | None = None, *, growth: _api.GrowthMode | None = None, denormals: _api.Denormals | None = None,
                 on_budget: _api.Budget | None = None, memory_limit_bytes: int | None = None, growth_ahead_bytes: int | None = None,
                 budget_ns: int | None = None, deadline_ns: int | None = None, initialize: _api.Initialize | None = None,
                 log_bytes: int | None = None) -> Instance:
        """Creates a guest."""
        config = new(_api.rtw_instance_config_t, growth=growth, denormals=denormals, on_budget=on_budget,
                     memory_limit_bytes=memory_limit_bytes, growth_ahead_bytes=growth_ahead_bytes, budget_ns=budget_ns,
                     deadline_ns=deadline_ns, initialize=initialize, log_bytes=log_bytes)
        address = create("rtw_instance_create", self.handle, imports.handle if imports else None, ctypes.byref(config))
        return Instance(address, self)


# ---- imports

class Caller:
    """The guest that calls a host function, or whose state is transferred: its memory, while that lasts."""

    def __init__(self, address: int) -> None:
        self.address = address

    @property
    def instance(self) -> Instance | None:
        """The instance, if Python holds it. A slot's spares it does not."""
        return guests.get(self.address)

    def read(self, offset: int, length: int) -> bytes:
        """Copies bytes from the guest's memory."""
        return ctypes.string_at(self._at(offset, length), length)

    def write(self, offset: int, data: bytes) -> None:
        """Copies bytes into the guest's memory."""
        ctypes.memmove(self._at(offset, len(data)), data, len(data))

    def _at(self, offset: int, length: int) -> int:
        place = lib.rtw_instance_memory_at(self.address, offset, length)
        if not place:
            raise IndexError(f"{length} bytes at {offset} are not in the guest's memory")
        return cast(int, place)


def host_called(key: int, instance: int, values: Any) -> int:
    try:
        signature, func, pass_caller = registry[key]
        arguments = signature.arguments(values)
        signature.put(values, func(Caller(instance), *arguments) if pass_caller else func(*arguments))
        return int(Status.OK)
    except BaseException as exception:  # all of them: none can go through the guest
        pending.put(exception)
        return _library.HOST_ERROR


HOST_CALLED = _api.rtw_host_func_t(host_called)


class Imports(Handle):
    """The host functions that guests can call.

    An exception in one ends the guest's call, and leaves the call of Python that has called the guest. A host function of Python takes
    Python's lock and allocates: do not give one to a guest that must keep its time.
    """

    _destroy = "rtw_imports_destroy"

    def __init__(self) -> None:
        super().__init__(create("rtw_imports_create"))

    def func(self, module: str, name: str, signature: str, func: Callable[..., Any] | None = None, *, pass_caller: bool = False) -> Any:
        """Adds a host function, or as a decorator makes one. With `pass_caller` its first argument is the Caller."""
        if func is None:
            return lambda decorated: (self.func(module, name, signature, decorated, pass_caller=pass_caller), decorated)[1]
        key = register((Signature(signature), func, pass_caller))
        try:
            call("rtw_imports_func", self.handle, module.encode(), name.encode(), signature.encode(), HOST_CALLED, key, _library.FINALIZE, 0)
        except Error:
            del registry[key]
            raise
        return func

    def libm(self) -> None:
        """Provides C99's mathematics."""
        call("rtw_imports_libm", self.handle)

    def wasi(self, args: Sequence[str] = (), env: Mapping[str, str] | None = None, seed: int = 0) -> None:
        """Provides WASI preview 1, without files."""
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        config = new(_api.rtw_wasi_config_t, arg_count=len(args), env_count=len(variables), seed=seed)
        if args:
            config.args = _library.texts(args)
        if variables:
            config.env = _library.texts(variables)
        call("rtw_imports_wasi", self.handle, ctypes.byref(config))

    def stubs(self, kind: _api.Stubs) -> None:
        """Says what happens with functions that nobody provides."""
        call("rtw_imports_stubs", self.handle, kind)


# ---- instances

class Func(Handle, Measured):
    """A function of a guest. Call it as one of Python."""

    _destroy = "rtw_func_destroy"
    _export = "rtw_func_export"

    def __init__(self, address: int, instance: Instance, name: str, signature: str) -> None:
        super().__init__(address)
        self.instance, self.name, self.signature = instance, name, Signature(signature)

    def __call__(self, *arguments: Any, budget_ns: int | None = None) -> Any:
        """Calls the guest. Other threads of Python run meanwhile. One call at a time runs on an instance; others wait for it."""
        values = self.signature.values(arguments)
        with self.instance._calls:
            if budget_ns is None:
                status = lib.rtw_invoke(self.handle, values, self.signature.count)
            else:
                status = lib.rtw_invoke_budget(self.handle, values, self.signature.count, budget_ns)
            if status != Status.OK:
                self.instance._raise(status)
        return self.signature.result(values)

    def stats(self) -> _api.FuncStats:
        return cast(_api.FuncStats, read("rtw_func_stats", _api.rtw_func_stats_t, self.handle))

    def stats_reset(self) -> None:
        check(lib.rtw_func_stats_reset(self.handle))

    def buckets(self) -> list[_api.Bucket]:
        """The histogram of the call times."""
        found = listed(lambda *out: lib.rtw_func_buckets(self.handle, *out), _api.rtw_bucket_t)
        return [cast(_api.Bucket, as_dict(bucket)) for bucket in found]

    def interval(self) -> Interval:
        """A reader of what is recorded between its reads."""
        return Interval(create("rtw_func_interval", self.handle))


class Memory:
    """A linear memory of a guest, without copies: `view`, `array`.

    The library moves no memory: growth leaves views as they are, and a new view reaches the new pages. A reset, or another owner of the
    instance (`close`, a slot), frees the memory, so these are refused with BufferError while a view exists.
    """

    def __init__(self, instance: Instance, name: str | None) -> None:
        self._instance, self._name = instance, text(name)
        self._where()

    def _where(self) -> tuple[int, int]:
        where = _api.rtw_memory_view_t()
        call("rtw_instance_memory", self._instance.handle, self._name, ctypes.byref(where))
        return where.base or 0, where.size_bytes

    def __len__(self) -> int:
        return self._where()[1]

    def view(self, offset: int = 0, length: int | None = None) -> memoryview:
        """Bytes of the memory, writable, not copied. A guest that runs on another thread changes them meanwhile."""
        return memoryview(self._place(offset, length)).cast("B")

    def array(self, dtype: Any, offset: int = 0, count: int | None = None) -> numpy.ndarray[Any, numpy.dtype[Any]]:
        """An array of numpy over bytes of the memory, writable, not copied."""
        import numpy
        kind = numpy.dtype(dtype)
        return numpy.frombuffer(self._place(offset, None if count is None else count * kind.itemsize), kind)

    def _place(self, offset: int, length: int | None) -> Any:
        instance = self._instance
        if instance.in_slot:
            raise BufferError("a slot has the instance, and may free its memory at any time: read it in a block")
        base, size = self._where()
        length = size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > size:
            raise IndexError(f"{length} bytes at {offset} are not in the {size} bytes of the guest's memory")
        place = (ctypes.c_uint8 * length).from_address(base + offset)
        setattr(place, "instance", instance)  # keeps it alive
        instance._views = [view for view in instance._views if view() is not None] + [weakref.ref(place)]
        return place

    def read(self, offset: int, length: int) -> bytes:
        """Copies bytes from the memory."""
        return bytes(self.view(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        """Copies bytes into the memory."""
        self.view(offset, len(data))[:] = data

    def grow(self, pages: int) -> int:
        """Adds pages of 64 KiB, under the rules of the guest's own growth. Returns the number of pages before."""
        before = ctypes.c_uint64()
        call("rtw_instance_memory_grow", self._instance.handle, self._name, pages, ctypes.byref(before))
        return before.value


class Instance(Handle, Measured):
    """One guest with its own memory."""

    _destroy = "rtw_instance_destroy"
    _export = "rtw_instance_export"
    _order = 3

    def __init__(self, address: int, module: Module) -> None:
        super().__init__(address)
        self.module = module
        self.in_slot = False
        self._calls = threading.RLock()
        self._views: list[weakref.ref[Any]] = []
        guests[address] = self

    def func(self, name: str, signature: str | None = None) -> Func:
        """Looks a function up. Without a signature the function has the type that the module says."""
        address = create("rtw_instance_func", self.handle, name.encode(), text(signature))
        return Func(address, self, name, signature or self.module.type_of(name))

    def table_func(self, index: int, signature: str, table: str | None = None) -> Func:
        """Looks the function in an entry of a table up: a function pointer of the guest's."""
        address = create("rtw_instance_table_func", self.handle, text(table), index, signature.encode())
        return Func(address, self, f"{table or 'table'}[{index}]", signature)

    def memory(self, name: str | None = None) -> Memory:
        """A memory by its name; without one the memory that is exported as "memory", or the first."""
        return Memory(self, name)

    def get_global(self, name: str) -> Any:
        value = _api.rtw_value_t()
        call("rtw_instance_global_get", self.handle, name.encode(), ctypes.byref(value))
        return fetch(value, self._global_type(name))

    def set_global(self, name: str, to: Any) -> None:
        value = _api.rtw_value_t()
        store(value, self._global_type(name), to)
        call("rtw_instance_global_set", self.handle, name.encode(), ctypes.byref(value))

    def _global_type(self, name: str) -> str:
        return self.module.type_of(name).split()[-1]

    def prepare(self, dry_calls: Sequence[DryCall] = ()) -> _api.PrepareReport:
        """Prefaults memory and code, then makes dry calls: function, arguments, repeats."""
        config = new(_api.rtw_prepare_config_t)
        calls = dry(dry_calls)
        if dry_calls:
            config.dry_calls, config.dry_call_count = calls, len(calls)
        report = new(_api.rtw_prepare_report_t)
        call("rtw_instance_prepare", self.handle, ctypes.byref(config), ctypes.byref(report))
        return cast(_api.PrepareReport, as_dict(report))

    def reset(self) -> None:
        """Replaces the guest with a new one. Functions stay valid, views do not: refused while there are any."""
        with self._calls:
            self._refuse_views("a reset")
            call("rtw_instance_reset", self.handle)

    def close(self) -> None:
        """Destroys the handle. Refused while there are views of the memory."""
        if getattr(self, "_address", None) is not None and not self.in_slot:
            self._refuse_views("closing the instance")
        super().close()

    def _refuse_views(self, what: str) -> None:
        if any(view() is not None for view in self._views):
            import gc
            gc.collect()
        alive = sum(view() is not None for view in self._views)
        if alive:
            raise BufferError(f"{what} frees the guest's memory, of which there are {alive} views: delete them first")

    def fault(self) -> _api.Fault | None:
        """The fault that ended the last call; None if there is none."""
        fault = new(_api.rtw_fault_t)
        status = lib.rtw_instance_fault(self.handle, ctypes.byref(fault), None)
        return cast(_api.Fault, as_dict(fault)) if status == Status.OK else None

    def _raise(self, status: int) -> None:
        """Raises why a call of this instance has failed."""
        if status == Status.HOST and (exception := pending.take()):
            raise exception
        if -700 < status <= -600 or status == Status.ARENA:
            raise Trap(status, self.fault())
        raise Error(status)

    def stats(self) -> _api.FuncStats:
        """All calls of all functions together."""
        return cast(_api.FuncStats, read("rtw_instance_stats", _api.rtw_func_stats_t, self.handle))

    def interval(self) -> Interval:
        """A reader of what is recorded between its reads."""
        return Interval(create("rtw_instance_interval", self.handle))

    def growth(self) -> _api.Growth:
        """The guest's attempts to grow: granted, refused, why."""
        return cast(_api.Growth, read("rtw_instance_growth", _api.rtw_growth_t, self.handle))

    @property
    def held_bytes(self) -> int:
        """Memory that the guest holds now."""
        return lib.rtw_instance_held_bytes(self.handle)

    @property
    def log_dropped(self) -> int:
        """Messages of the guest for which the log had no room."""
        return lib.rtw_instance_log_dropped(self.handle)


def dry(calls: Sequence[DryCall]) -> Any:
    """Dry calls as an array of C; the values live as long as it does."""
    out = (_api.rtw_dry_call_t * len(calls))()
    kept = []
    for place, (func, arguments, repeats) in zip(out, calls):
        values = func.signature.values(tuple(arguments))
        kept.append(values)
        place.func, place.value_count, place.repeats = func.handle, func.signature.count, repeats
        place.values = ctypes.cast(values, ctypes.POINTER(_api.rtw_value_t))
    setattr(out, "kept", kept)
    return out
