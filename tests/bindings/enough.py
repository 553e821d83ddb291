"""Runs a guest with the functions that a page calls enough, and with no others: enough.py PAGE BINDINGS LIBRARY COMPILER."""
import ctypes
import importlib.util
import re
import sys
from ctypes import byref, c_void_p
from pathlib import Path

page, bindings, library_path, compiler_path = sys.argv[1:]
count, listed = re.search(r"A binding that runs guests needs (\d+) functions: (.*?)\.\n", Path(page).read_text(), re.S).groups()
allowed = re.findall(r"`(rtw_\w+)`", listed)
spec = importlib.util.spec_from_file_location("_api", f"{bindings}/python/rtwasm/_api.py")
_api = importlib.util.module_from_spec(spec)
spec.loader.exec_module(_api)
library, compiler = _api.Library(library_path), _api.CompilerLibrary(compiler_path)
used = set()


def c(name, *arguments):
    if name not in allowed:
        sys.exit(f"{name} is needed, and not on the page")
    used.add(name)
    return getattr(library, name)(*arguments)


def create(name, *arguments):
    out, error = c_void_p(), _api.rtw_error_t()
    assert c(name, *arguments, byref(out), byref(error)) == 0, error.message
    return out


source = b"""(module (memory (export "memory") 1) (func (export "next") (param i32) (result i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get 0))) (i32.load (i32.const 0))))"""
artifact, length = c_void_p(), ctypes.c_size_t()
assert compiler.rtw_compile(source, len(source), None, byref(artifact), byref(length), None) == 0
assert c("rtw_version") >> 8 == 1
runtime = create("rtw_runtime_create", None)
module = create("rtw_module_load", runtime, artifact, length)
instance = create("rtw_instance_create", module, None, None)
func = create("rtw_instance_func", instance, b"next", b"(i32)->(i32)")
assert c("rtw_thread_attach", runtime, None, None) == 0
ctypes.c_int32.from_address(c("rtw_instance_memory_at", instance, 0, 4)).value = 40
values = (_api.rtw_value_t * 1)()
values[0].i32 = 2
assert c("rtw_invoke", func, values, 1) == 0 and values[0].i32 == 42
stats = _api.rtw_func_stats_t()
c("rtw_func_stats_init_sized", byref(stats), ctypes.sizeof(stats))
assert c("rtw_func_stats", func, byref(stats)) == 0 and stats.call.count == 1
status = c("rtw_invoke", func, values, 0)
assert c("rtw_status_name", status) == b"RTW_ERR_VALUES" and b"shorter" in c("rtw_status_string", status)
for noun, handle in (("runtime", runtime), ("module", module), ("instance", instance), ("func", func)):
    c(f"rtw_{noun}_destroy", handle)
if missing := set(allowed) - used:
    sys.exit(f"not used: {', '.join(sorted(missing))}")
assert int(count) == len(allowed), "the page does not count right"
