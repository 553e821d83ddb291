"""Values between Python and guests: what a signature says, checked before it crosses."""
from __future__ import annotations

import ctypes
import operator
import re
from typing import Any, Callable

from . import _api

Value = "int | float | bytes"


def to_i32(value: Any) -> int:
    number = operator.index(value)
    if not -2**31 <= number < 2**32:
        raise OverflowError(f"{number} is no i32")
    return number & 0xFFFFFFFF


def to_i64(value: Any) -> int:
    number = operator.index(value)
    if not -2**63 <= number < 2**64:
        raise OverflowError(f"{number} is no i64")
    return number & 0xFFFFFFFFFFFFFFFF


def to_v128(value: Any) -> Any:
    if len(value) != 16:
        raise ValueError("a v128 has 16 bytes")
    return (ctypes.c_uint8 * 16)(*bytes(value))


# Of each type: the member to write, how; the member to read, how.
TYPES: dict[str, tuple[str, Callable[[Any], Any], str, Callable[[Any], Any]]] = {
    "i32": ("u32", to_i32, "i32", int),
    "i64": ("u64", to_i64, "i64", int),
    "f32": ("f32", float, "f32", float),
    "f64": ("f64", float, "f64", float),
    "v128": ("v128", to_v128, "v128", bytes),
}


def types(listed: str) -> list[str]:
    found = [part.strip() for part in listed.split(",") if part.strip()]
    for part in found:
        if part not in TYPES:
            raise ValueError(f"{part} is no type of WebAssembly")
    return found


def store(place: _api.rtw_value_t, kind: str, value: Any) -> None:
    member, convert, _, _ = TYPES[kind]
    setattr(place, member, convert(value))


def fetch(place: _api.rtw_value_t, kind: str) -> Any:
    _, _, member, convert = TYPES[kind]
    return convert(getattr(place, member))


class Signature:
    """The type of a function, such as "(i32,f32)->(f32)"."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"\s*\(([^()]*)\)\s*->\s*\(([^()]*)\)\s*", text)
        if not match:
            raise ValueError(f"{text!r} is no signature such as '(i32,f32)->(f32)'")
        self.text = text
        self.parameters, self.results = types(match[1]), types(match[2])
        self.count = max(len(self.parameters), len(self.results))
        self.array: type[ctypes.Array[_api.rtw_value_t]] = _api.rtw_value_t * self.count

    def values(self, arguments: tuple[Any, ...]) -> Any:
        """An array for a call, with the arguments."""
        if len(arguments) != len(self.parameters):
            raise TypeError(f"a function of type {self.text} takes {len(self.parameters)} arguments, not {len(arguments)}")
        values = self.array()
        for n, kind in enumerate(self.parameters):
            store(values[n], kind, arguments[n])
        return values

    def arguments(self, values: Any) -> list[Any]:
        return [fetch(values[n], kind) for n, kind in enumerate(self.parameters)]

    def result(self, values: Any) -> Any:
        """What a call of Python returns: nothing, a number, or several."""
        results = [fetch(values[n], kind) for n, kind in enumerate(self.results)]
        return None if not results else results[0] if len(results) == 1 else tuple(results)

    def put(self, values: Any, result: Any) -> None:
        """What a host function has returned, for the guest."""
        if not self.results:
            if result is not None:
                raise TypeError(f"a host function of type {self.text} returned {result!r} instead of None")
            return
        results = (result,) if len(self.results) == 1 else tuple(result)
        if len(results) != len(self.results):
            raise TypeError(f"a host function of type {self.text} returned {len(results)} results")
        for n, kind in enumerate(self.results):
            store(values[n], kind, results[n])
