"""The compiler, a library of its own: the extra `compiler` of the package, or RTWASM_COMPILER_LIBRARY."""
from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any, Sequence

from . import _api
from ._library import check, new, text, texts

SONAME = "librtwasm_compiler.so.0.1"


@cache
def compiler() -> _api.CompilerLibrary:
    """The library, loaded when it is first needed."""
    path = os.environ.get("RTWASM_COMPILER_LIBRARY")
    if not path:
        try:
            import rtwasm_compiler  # type: ignore[import-not-found,unused-ignore]
            path = str(rtwasm_compiler.LIBRARY) if rtwasm_compiler.LIBRARY.exists() else SONAME
        except ImportError:
            path = SONAME
    try:
        return _api.CompilerLibrary(path)
    except OSError as why:
        raise ImportError(f"{why}; install rtwasm or the wheel rtwasm_compiler (make wheel), or name the file in RTWASM_COMPILER_LIBRARY") from why


def compile(module: bytes | str, *, profile: int | None = None, opt_level: _api.CompileOpt | None = None,
            interruption: _api.CompileInterruption | None = None, target: str | None = None, cpu: str | None = None,
            reservation: _api.CompileReservation | None = None, deterministic: bool = False, embed_source: bool = False,
            init: Sequence[str] = (), max_time_ms: int | None = None) -> bytes:
    """Compiles WebAssembly, in binary or text form, to an artifact."""
    library = compiler()
    data = module.encode() if isinstance(module, str) else bytes(module)
    options = new(_api.rtw_compile_options_t, library, profile=profile, opt_level=opt_level, interruption=interruption, target=text(target),
                  cpu=text(cpu), reservation=reservation, deterministic=int(deterministic), embed_source=int(embed_source),
                  max_time_ms=max_time_ms)
    if init:
        options.init, options.init_count = texts(init), len(init)
    artifact, length, error = ctypes.c_void_p(), ctypes.c_size_t(), _api.rtw_error_t()
    check(library.rtw_compile(data, len(data), ctypes.byref(options), ctypes.byref(artifact), ctypes.byref(length), ctypes.byref(error)),
          error)
    try:
        return ctypes.string_at(artifact.value or 0, length.value)
    finally:
        library.rtw_compile_free(artifact, length)


__all__: list[Any] = ["compile"]
