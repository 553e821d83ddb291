"""The shared library: finding it, errors, handles, structs as dicts, what callbacks leave behind.

One function of Python per kind of callback is known to the library, for as long as the process runs; `user_data` is the key under which
the Python object of the callback is registered here. So no callback can be collected while the library may still call it.
"""
from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import threading
import weakref
from collections import defaultdict, deque
from pathlib import Path
from typing import Any, Iterable, TypeVar, cast

from . import _api
from ._api import Status

S = TypeVar("S", bound=ctypes.Structure)
SONAME = "librtwasm.so.0.1"


class Error(Exception):
    """A function of the library failed: `status` says how, the text why."""

    def __init__(self, status: int, message: str = "", os_error: int = 0) -> None:
        self.status = Status(status) if status in Status.__members__.values() else status
        self.os_error = os_error
        name = lib.rtw_status_name(status) or b""
        super().__init__(f"{message or (lib.rtw_status_string(status) or b'').decode()} ({name.decode()})")


class Trap(Error):
    """A guest's call ended early. `fault` describes it: function, offset, refused growth. None if the library kept nothing."""

    def __init__(self, status: int, fault: _api.Fault | None) -> None:
        super().__init__(status, fault["message"] if fault else "")
        self.fault = fault


def find() -> str:
    """Where the library is: RTWASM_LIBRARY, the package's own folder (a wheel has it there), or where the system looks."""
    if named := os.environ.get("RTWASM_LIBRARY"):
        return named
    own = Path(__file__).parent / "lib" / SONAME
    return str(own) if own.is_file() else SONAME


def load() -> _api.Library:
    path = find()
    of_any_version = ctypes.CDLL(path)
    if of_any_version.rtw_version() >> 8 != _api.RTW_VERSION_MAJOR << 8 | _api.RTW_VERSION_MINOR:
        of_any_version.rtw_version_string.restype = ctypes.c_char_p
        text = of_any_version.rtw_version_string().decode()
        raise ImportError(f"{path} is {text}; this package needs version {_api.RTW_VERSION_MAJOR}.{_api.RTW_VERSION_MINOR}")
    return _api.Library(path)


lib = load()


# ---- errors

class Pending:
    """Exceptions that have left host functions, by the thread that they ran on, until the call's status arrives."""

    def __init__(self) -> None:
        self.of_thread: defaultdict[int, deque[BaseException]] = defaultdict(lambda: deque(maxlen=64))

    def put(self, exception: BaseException) -> None:
        self.of_thread[threading.get_native_id()].append(exception)

    def take(self, thread: int | None = None) -> BaseException | None:
        """The oldest exception of a worker's thread, or the newest of this one."""
        if thread is not None:
            queue = self.of_thread[thread]
            return queue.popleft() if queue else None
        queue = self.of_thread.pop(threading.get_native_id(), deque())
        return queue[-1] if queue else None


pending = Pending()
HOST_ERROR = 1  # what a host function of Python returns after an exception


def check(status: int, error: _api.rtw_error_t | None = None) -> None:
    """Raises what the status means: a host function's own exception, if one has ended the call."""
    if status == Status.OK:
        return
    # A callback's own number comes back as it is: a slot's state transfer, a worker's setup.
    if status in (Status.HOST, Status.STATE, HOST_ERROR) and (exception := pending.take()):
        raise exception
    message = error.message.decode(errors="replace") if error is not None else ""
    raise Error(status, message, error.os_error if error is not None else 0)


def call(name: str, *arguments: Any) -> None:
    """Calls a function whose last argument is an rtw_error_t."""
    error = _api.rtw_error_t()
    check(getattr(lib, name)(*arguments, ctypes.byref(error)), error)


def create(name: str, *arguments: Any) -> int:
    """Calls a function whose last arguments are the handle that it creates and an rtw_error_t."""
    out = ctypes.c_void_p()
    call(name, *arguments, ctypes.byref(out))
    return cast(int, out.value)


# ---- structs

def new(kind: type[S], library: Any = None, /, **fields: Any) -> S:
    """A struct with its defaults and some fields set. None leaves a field at its default."""
    struct = kind()
    init = kind.__name__.removesuffix("_t") + "_init_sized"
    getattr(library or lib, init)(ctypes.byref(struct), ctypes.sizeof(kind))
    for name, value in fields.items():
        if value is not None:
            setattr(struct, name, value)
    return struct


def read(name: str, kind: type[S], *arguments: Any) -> dict[str, Any]:
    """Calls a function that fills a struct, its last argument; returns that as a dict."""
    struct = new(kind)
    check(getattr(lib, name)(*arguments, ctypes.byref(struct)))
    return as_dict(struct)


def as_dict(struct: ctypes.Structure) -> dict[str, Any]:
    fields = (field[0] for field in struct._fields_)
    return {name: plain(getattr(struct, name)) for name in fields if name not in ("struct_size", "reserved")}


def plain(value: Any) -> Any:
    if isinstance(value, _api.rtw_public_key_t):
        return bytes(value.bytes)
    if isinstance(value, ctypes.Structure):
        return as_dict(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return list(value) if isinstance(value, ctypes.Array) else value


def listed(read_into: Any, kind: type[S]) -> list[S]:
    """All elements of a list that may grow from one read to the next: `read_into(out, capacity, count)`."""
    count = ctypes.c_size_t()
    check(read_into(None, 0, ctypes.byref(count)))
    while True:
        capacity = count.value + 8
        out = (kind * capacity)()
        check(read_into(out, capacity, ctypes.byref(count)))
        if count.value <= capacity:
            return list(out[:count.value])


def text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


# ---- callbacks

keys = itertools.count(1)
registry: dict[int, Any] = {}
graveyard: list[Any] = []  # what finalizers have freed: they must not call the library, and a destructor may


def register(callback: Any) -> int:
    graveyard.clear()
    key = next(keys)
    registry[key] = callback
    return key


def finalize(key: int) -> None:
    graveyard.append(registry.pop(key, None))


FINALIZE = _api.rtw_finalizer_t(finalize)


# ---- handles

living: weakref.WeakSet[Handle] = weakref.WeakSet()


class Handle:
    """Something that the library has created. Destroyed by `close`, at the end of a `with`, or with the last reference."""

    _destroy = ""
    _order = 1  # at the end of the process: lower ones first

    def __init__(self, address: int) -> None:
        self._address: int | None = address
        living.add(self)

    @property
    def handle(self) -> int:
        """The address that C knows it by."""
        if self._address is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._address

    def close(self) -> None:
        """Destroys it. Does nothing the second time."""
        address, self._address = getattr(self, "_address", None), None
        if address is not None:
            getattr(lib, self._destroy)(address)

    def __enter__(self: H) -> H:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


H = TypeVar("H", bound=Handle)


@atexit.register
def close_all() -> None:
    """Ends what has threads while Python can still run callbacks: workers, then slots, then everything else."""
    for handle in sorted(living, key=lambda handle: handle._order):
        try:
            handle.close()
        except BufferError:
            pass  # views of its memory outlive it until the process has ended


def texts(values: Iterable[str]) -> Any:
    encoded = [value.encode() for value in values]
    return (ctypes.c_char_p * len(encoded))(*encoded)
