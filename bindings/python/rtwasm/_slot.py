"""Slots: hot-swapping instances while a thread calls through the slot."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Callable, Sequence, cast

from . import _api
from ._api import SlotEvent, Status
from ._library import HOST_ERROR, Error, Handle, call, check, create, lib, new, pending, read, register, registry, text
from ._runtime import Caller, Instance, Runtime
from ._values import Signature


@dataclass(frozen=True)
class Event:
    """Something that has happened behind a slot."""

    kind: SlotEvent
    status: int
    publication: int


def event_happened(key: int, event: Any) -> None:
    callback = registry.get(key)
    if callback and callback[0]:
        callback[0](Event(SlotEvent(event[0].kind), event[0].status, event[0].publication))


EVENT_HAPPENED = _api.rtw_slot_event_func_t(event_happened)


def state_wanted(key: int, old: int, new_one: int) -> int:
    try:
        registry[key][1](Caller(old), Caller(new_one))
        return int(Status.OK)
    except BaseException as exception:  # all of them: none can go through the library
        pending.put(exception)
        return HOST_ERROR


STATE_WANTED = _api.rtw_slot_state_func_t(state_wanted)


class Slot(Handle):
    """The stable handle through which a thread calls while instances behind it are hot-swapped.

    `funcs` are the functions that every instance has: names with signatures. `on_event` runs on a thread of the library's; `on_state`
    takes the old and the new guest (Caller), and an exception in it leaves the old one in place and is raised by `publish`.
    """

    _destroy = "rtw_slot_destroy"
    _order = 2

    def __init__(self, runtime: Runtime, funcs: Sequence[tuple[str, str]], *, standby: int = 0, hold_blocks: int = 0,
                 state: _api.StateTransfer | None = None, dry_calls: Sequence[tuple[str, Sequence[Any], int]] = (),
                 on_event: Callable[[Event], None] | None = None, on_state: Callable[[Caller, Caller], None] | None = None,
                 memory_limit_bytes: int | None = None) -> None:
        self.runtime = runtime
        self.signatures = {name: (index, Signature(signature)) for index, (name, signature) in enumerate(funcs)}
        wanted = (_api.rtw_wanted_func_t * len(funcs))()
        for place, (name, signature) in zip(wanted, funcs):
            place.name, place.signature = text(name), text(signature)
        calls = (_api.rtw_dry_call_t * len(dry_calls))()
        kept = []
        for call_place, (name, arguments, repeats) in zip(calls, dry_calls):
            index, of = self.signatures[name]
            kept.append(of.values(tuple(arguments)))
            call_place.func_index, call_place.value_count, call_place.repeats = index, of.count, repeats
            call_place.values = ctypes.cast(kept[-1], ctypes.POINTER(_api.rtw_value_t))
        config = new(_api.rtw_slot_config_t, standby=standby, hold_blocks=hold_blocks, memory_limit_bytes=memory_limit_bytes,
                     state=_api.StateTransfer.HOST if on_state and state is None else state, func_count=len(wanted), funcs=wanted)
        if dry_calls:
            config.dry_calls, config.dry_call_count = calls, len(calls)
        self._key = register((on_event, on_state))
        config.user_data = self._key
        if on_event:
            config.on_event = EVENT_HAPPENED
        if on_state:
            config.on_state = STATE_WANTED
        super().__init__(create("rtw_slot_create", runtime.handle, ctypes.byref(config)))

    def publish(self, instance: Instance) -> int:
        """Offers an instance to the calling thread, which takes it at its next block. From now on only the slot calls it."""
        with instance._calls:
            instance._refuse_views("the slot")
            publication = ctypes.c_uint64()
            call("rtw_slot_publish", self.handle, instance.handle, ctypes.byref(publication))
            instance.in_slot = True
        return publication.value

    def __call__(self, name: str, *arguments: Any) -> Any:
        """A block of one call."""
        index, signature = self.signatures[name]
        values = signature.values(arguments)
        raise_call(lib.rtw_slot_invoke(self.handle, index, values, signature.count, None))
        return signature.result(values)

    def block(self) -> Block:
        """A block of several calls, for a `with`."""
        return Block(self)

    def stats(self) -> _api.SlotStats:
        return cast(_api.SlotStats, read("rtw_slot_stats", _api.rtw_slot_stats_t, self.handle))

    def func_stats(self, name: str) -> _api.FuncStats:
        """The call times of a function, over all instances."""
        return cast(_api.FuncStats, read("rtw_slot_func_stats", _api.rtw_func_stats_t, self.handle, self.signatures[name][0]))

    def close(self) -> None:
        super().close()
        registry.pop(getattr(self, "_key", 0), None)  # no callback runs any more


class Block(Caller):
    """Calls, and memory, of the instance that a slot has in this block."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(0)
        self.slot, self._block = slot, _api.rtw_block_t()

    def __enter__(self) -> Block:
        check(lib.rtw_slot_begin(self.slot.handle, ctypes.byref(self._block)))
        self.address = self._block.instance
        return self

    def __exit__(self, *_: object) -> None:
        self.address = 0
        lib.rtw_slot_end(self.slot.handle)

    @property
    def flags(self) -> _api.BlockFlag:
        """Whether the instance is new, or a spare after a fault."""
        return _api.BlockFlag(self._block.flags)

    def __call__(self, name: str, *arguments: Any) -> Any:
        if not self.address:
            raise ValueError("the block has ended")
        index, signature = self.slot.signatures[name]
        values = signature.values(arguments)
        raise_call(lib.rtw_invoke(self._block.funcs[index], values, signature.count))
        return signature.result(values)


def raise_call(status: int) -> None:
    """Raises what has ended a call: the slot's event describes a fault, since the instance is no longer the caller's."""
    if status == Status.HOST and (exception := pending.take()):
        raise exception
    if status != Status.OK:
        raise Error(status)
