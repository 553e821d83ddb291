#!/bin/sh
# The module for LuaJIT, with the libraries as they are built.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/bindings-lua
. "$root/tests/lib.sh"
cd "$root" || exit 1
RTWASM_LIBRARY=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
RTWASM_COMPILER_LIBRARY=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")
LUA_PATH="$root/bindings/lua/?.lua"
export RTWASM_LIBRARY RTWASM_COMPILER_LIBRARY LUA_PATH
adopt lua luajit tests/bindings/test_lua.lua
# Every call interpreted, as where LuaJIT may not make code.
adopt "lua, interpreted" luajit -joff tests/bindings/test_lua.lua

printf 'unsigned rtw_version(void) { return 512; } const char *rtw_version_string(void) { return "rtwasm 0.2.0"; }' >"$scratch/other.c"
$CC -shared -fPIC "$scratch/other.c" -o "$scratch/other.so"
refuses "a library of another version is refused" "other.so is rtwasm 0.2.0; this module needs version 0.1" \
    env RTWASM_LIBRARY="$scratch/other.so" luajit -e 'require("rtwasm")'

# A callback that the module has not wrapped.
cat >"$scratch/bare.lua" <<'LUA'
local rtwasm, ffi = require("rtwasm"), require("ffi")
local lib = ffi.load(os.getenv("RTWASM_LIBRARY"))
local imports = rtwasm.imports()
imports.has_lua = true
local err = ffi.new("rtw_error_t")
lib.rtw_imports_func(imports.handle, "env", "f", "()->()", function() error("lost") end, nil, nil, 0, err)
local artifact = rtwasm.compile('(module (import "env" "f" (func $f)) (func (export "f") (call $f)))')
print(pcall(rtwasm.runtime():load_bytes(artifact):instance(imports):func("f")))
os.exit(0)
LUA
bare() { luajit "$scratch/bare.lua"; }
refuses "twin: an error that leaves a bare callback ends the process" "was left by an exception" bare

# --- the program that docs/bindings.md shows

shown() { # shown NAME: the programs of a page are there, and so is the guest that they load
    python3 tests/docs/check_docs.py programs README.md "$scratch" &&
        python3 tests/docs/check_docs.py programs docs/bindings.md "$scratch" | grep -Fx "$1" &&
        "$RTWASM" compile -q "$scratch/gain.wat" -o "$scratch/gain.rtw"
}
check "the page shows a program" shown gain.lua
first() { (cd "$scratch" && luajit gain.lua) | grep -E '^0\.5[[:space:]]1[[:space:]][0-9.]+$'; }
check "the page's program runs" first

finish
