"""Guests for audio and control: what a module says of them, and what drives them."""
from __future__ import annotations

import ctypes
from array import array
from dataclasses import dataclass
from typing import Any, Sequence, Union, cast

from . import _api
from ._library import Handle, as_dict, call, check, create, lib, new, read
from ._runtime import Instance, Module

Floats = ctypes.POINTER(ctypes.c_float)


# ---- descriptions

@dataclass(frozen=True)
class Description:
    """What a module says of its guests: ports, parameters and meters in the order of their indices."""

    info: _api.GuestInfo
    ports: list[_api.GuestPort]
    params: list[_api.GuestParam]
    meters: list[_api.GuestParam]

    @property
    def is_stateless(self) -> bool:
        """It keeps nothing between blocks but its parameters."""
        return bool(self.info["flags"] & _api.RTW_GUEST_STATELESS)

    @property
    def takes_midi(self) -> bool:
        return bool(self.info["flags"] & _api.RTW_GUEST_MIDI)


def describe(module: Module) -> Description:
    """Describes the guests of a module. Raises Error with Status.UNSUPPORTED if the module says nothing of them."""
    info = cast(_api.GuestInfo, read("rtw_guest_info", _api.rtw_guest_info_t, module.handle))
    ports = []
    for index in range(info["port_count"]):
        port = _api.rtw_guest_port_t()
        check(lib.rtw_guest_port(module.handle, index, ctypes.byref(port)))
        ports.append(cast(_api.GuestPort, as_dict(port)))

    def params(name: str, count: int) -> list[_api.GuestParam]:
        return [cast(_api.GuestParam, read(name, _api.rtw_guest_param_t, module.handle, index)) for index in range(count)]

    return Description(info, ports, params("rtw_guest_param", info["param_count"]), params("rtw_guest_meter", info["meter_count"]))


# ---- events

@dataclass(frozen=True)
class Change:
    """A change of a parameter, by its id or index, at a frame of a block."""

    frame: int
    param: str | int
    value: float


@dataclass(frozen=True)
class Midi:
    """A MIDI message of up to 8 bytes at a frame of a block."""

    frame: int
    data: bytes


GuestEvent = Union[Change, Midi]


# ---- guests

class Guest(Handle):
    """An instance for audio or control that the library drives, with the values of its parameters.

    Parameters and meters are named by their ids or indices. The instance's own `reset` ends what the guest is bound to: use `renew`.
    """

    _destroy = "rtw_guest_destroy"
    _order = 2

    def __init__(self, instance: Instance, *, sample_rate: float | None = None, max_frames: int | None = None) -> None:
        self.instance = instance
        self.description = describe(instance.module)
        self._params = {param["id"]: index for index, param in enumerate(self.description.params)}
        self._meters = {meter["id"]: index for index, meter in enumerate(self.description.meters)}
        config = new(_api.rtw_guest_config_t, sample_rate=sample_rate, max_frames=max_frames)
        super().__init__(create("rtw_guest_create", instance.module.handle, instance.handle, None, ctypes.byref(config)))

    def prepare(self, repeats: int = 16) -> None:
        """Prefaults memory and code, computes blocks of silence, and resets the guest."""
        with self.instance._calls:
            call("rtw_guest_prepare", self.handle, repeats)

    def process(self, inputs: Sequence[Any] = (), outputs: Sequence[Any] | None = None, frames: int | None = None,
                events: Sequence[GuestEvent] = ()) -> list[Any]:
        """Computes a block, and returns its outputs.

        A channel is a buffer of 32-bit floats: an array of numpy, an `array("f")`, a memoryview. None is silence as an input, and is left
        out as an output. The outputs may be the inputs; without them, new arrays receive the block. `frames` is the first channel's
        length unless it is given. The events are in the order of their frames.
        """
        if frames is None:
            given = [buffer for buffer in (*inputs, *(outputs or ())) if buffer is not None]
            if not given:
                raise ValueError("without a channel, the number of frames has to be given")
            frames = len(given[0])
        info = self.description.info
        if outputs is None:
            outputs = [array("f", bytes(4 * frames)) for _ in range(info["output_count"])]
        sources = channels("input", inputs, info["input_count"], frames)
        targets = channels("output", outputs, info["output_count"], frames)
        listed = (_api.rtw_event_t * len(events))(*map(self._event, events))
        with self.instance._calls:
            status = lib.rtw_guest_process(self.handle, sources, targets, frames, listed, len(events))
            if status != _api.Status.OK:
                self.instance._raise(status)
        return list(outputs)

    def _event(self, event: GuestEvent) -> _api.rtw_event_t:
        out = _api.rtw_event_t(frame=event.frame)
        if isinstance(event, Change):
            out.kind, out.index = _api.RTW_EVENT_PARAM, index_of(self._params, event.param)
            out.data.value = event.value
        else:
            if not 1 <= len(event.data) <= 8:
                raise ValueError("a MIDI message has 1 to 8 bytes")
            out.kind, out.index = _api.RTW_EVENT_MIDI, len(event.data)
            out.data.midi[:len(event.data)] = event.data
        return out

    def set(self, param: str | int, value: float) -> None:
        """Sets a parameter from the next block on. The value is limited to the parameter's range."""
        check(lib.rtw_guest_set(self.handle, index_of(self._params, param), value))

    def get(self, param: str | int) -> float:
        value = ctypes.c_double()
        check(lib.rtw_guest_get(self.handle, index_of(self._params, param), ctypes.byref(value)))
        return value.value

    def meter(self, meter: str | int) -> float:
        """What a meter has shown after the last block."""
        value = ctypes.c_double()
        check(lib.rtw_guest_read_meter(self.handle, index_of(self._meters, meter), ctypes.byref(value)))
        return value.value

    @property
    def latency(self) -> int:
        """Delay of the outputs in frames."""
        return lib.rtw_guest_latency(self.handle)

    def reset(self) -> None:
        """Clears the past to silence. Parameters keep their values."""
        with self.instance._calls:
            status = lib.rtw_guest_reset(self.handle)
            if status != _api.Status.OK:
                self.instance._raise(status)

    def renew(self) -> None:
        """Makes the guest anew after a fault, with its parameters. Refused while there are views of the memory."""
        with self.instance._calls:
            self.instance._refuse_views("renewing a guest")
            call("rtw_guest_renew", self.handle)

    def set_budget(self, budget_ns: int) -> None:
        """Sets the budget of each following call; 0: no limit."""
        check(lib.rtw_guest_set_budget(self.handle, budget_ns))

    def save_state(self) -> bytes:
        """The parameters, and the guest's own state if it has one."""
        needed = ctypes.c_size_t()
        with self.instance._calls:
            status = lib.rtw_guest_save_state(self.handle, None, 0, ctypes.byref(needed), None)
            if status not in (_api.Status.OK, _api.Status.LIMIT):
                check(status)
            data = ctypes.create_string_buffer(needed.value)
            call("rtw_guest_save_state", self.handle, data, needed.value, ctypes.byref(needed))
        return data.raw[:needed.value]

    def load_state(self, state: bytes) -> None:
        """Takes what `save_state` has returned, also of another process."""
        with self.instance._calls:
            call("rtw_guest_load_state", self.handle, state, len(state))

    def stats(self) -> _api.FuncStats:
        """Times of the calls that compute blocks."""
        return cast(_api.FuncStats, read("rtw_func_stats", _api.rtw_func_stats_t, lib.rtw_guest_func(self.handle)))


def index_of(names: dict[str, int], name: str | int) -> int:
    if isinstance(name, int):
        return name
    if name not in names:
        raise KeyError(f"there is no {name} among {', '.join(names) or 'nothing'}")
    return names[name]


def channels(what: str, buffers: Sequence[Any], count: int, frames: int) -> Any:
    """Pointers to buffers, which live as long as it does."""
    if len(buffers) not in (0, count):
        raise ValueError(f"the guest has {count} channels of {what}, and not {len(buffers)}")
    places = (Floats * max(count, 1))()
    kept = []
    for index, buffer in enumerate(buffers):
        if buffer is None:
            continue
        view = memoryview(buffer)
        if view.format != "f" or view.ndim != 1 or not view.c_contiguous or len(view) < frames:
            raise ValueError(f"{what} {index} is no buffer of {frames} floats of 32 bits, one after the other")
        if what == "output" and view.readonly:
            raise ValueError(f"output {index} can only be read")
        kind = ctypes.c_float * frames
        data = kind.from_buffer_copy(view) if view.readonly else kind.from_buffer(view)
        kept.append(data)
        places[index] = ctypes.cast(data, Floats)
    setattr(places, "kept", kept)
    return places
