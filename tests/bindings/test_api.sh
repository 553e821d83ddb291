#!/bin/sh
# The description of the API as data, and what the bindings for Python and Lua declare. Every check has a twin.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/bindings-api
. "$root/tests/lib.sh"
cd "$root" || exit 1
library=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
compiler=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")

# --- it is what the headers say

check "the description can be generated" python3 bindings/generate.py "$scratch/now"
for file in api.json python/rtwasm/_api.py lua/rtwasm_api.lua; do
    check "bindings/$file is what the headers say (make api)" diff -u "bindings/$file" "$scratch/now/$file"
done
cp -r include "$scratch/include"
changed() { # changed FILE SED-SCRIPT: the description of headers with a change
    cp -r include/. "$scratch/include/"
    sed -i "$2" "$scratch/include/$1"
    ! cmp -s "include/$1" "$scratch/include/$1" || { echo "nothing was changed"; return 1; }
    python3 bindings/generate.py "$scratch/changed" "$scratch/include"
}
finds() { # finds WHAT LINE FILE SED-SCRIPT: a change of the headers makes another description
    check "a header with $1 is described" changed "$3" "$4"
    refuses "twin: $1 is found" "$2" diff -u bindings/api.json "$scratch/changed/api.json"
}
finds "another function" '+  {"name": "rtw_planted"' rtwasm/slot.h 's/^rtw_status_t rtw_slot_end(/rtw_status_t rtw_planted(/'
finds "another argument's type" '{"name": "descriptor", "type": "uint64_t"}' rtwasm/instance.h 's/int descriptor,/uint64_t descriptor,/'
finds "another role" '+  {"name": "rtw_global_get", "header": "rtwasm/global.h", "library": "rtwasm", "role": "[any]"' \
    rtwasm/global.h '/^\/\/\/ Reads a global/,/^rtw_status/s/\[rt\]/[any]/'
finds "another constant" '"name": "RTW_ERR_BUSY", "header": "rtwasm/status.h", "value": -599' rtwasm/status.h 's/^\(#define RTW_ERR_BUSY\) .*/\1 -599/'

# --- and what the bindings declare is what it says

declared() { # declared LANGUAGE API [FOLDER]
    python3 tests/bindings/declared.py "$2" "$library" "$compiler" "$1" "${3:-bindings/$1}"
}
for language in python lua; do
    check "$language: functions, structs and constants are declared as the API has them" declared $language bindings/api.json
    plant() { # plant WHAT MESSAGE SED-SCRIPT
        sed "$3" bindings/api.json >"$scratch/planted.json"
        ! cmp -s bindings/api.json "$scratch/planted.json" || { fail "twin: $language: $1: nothing was planted"; return; }
        refuses "twin: $language: $1 is found" "$2" declared $language "$scratch/planted.json"
    }
    plant "a struct of another size" "missing: struct rtw_worker_stats_t 464" 's/\("name": "rtw_worker_stats_t".*"size": \)456/\1464/'
    plant "a function that is not declared" "missing: function rtw_planted" 's/"name": "rtw_slot_end"/"name": "rtw_planted"/'
    plant "a field at another offset" "missing: field rtw_tick_t.missed 32" 's/\("name": "missed".*"offset": \)24/\132/'
    plant "a constant of another value" "RTW_FOREVER 7" 's/\("name": "RTW_FOREVER".*"value": \)[0-9]*/\17/'
done
mkdir -p "$scratch/wrong/rtwasm"
sed 's/^    "rtw_slot_end": .*//; s/("actual_ns", c_uint64)/("actual_ns", c_uint32)/' bindings/python/rtwasm/_api.py |
    sed 's/^        "rtw_slot_end": .*//' >"$scratch/wrong/rtwasm/_api.py"
: >"$scratch/wrong/rtwasm/__init__.py"
refuses "twin: a wrong declaration for Python is found" "missing: field rtw_tick_t.actual_ns 16 8" declared python bindings/api.json "$scratch/wrong"
refuses "twin: so is one that is missing" "missing: function rtw_slot_end 1" declared python bindings/api.json "$scratch/wrong"
sed 's/^rtw_status_t rtw_slot_end(.*//; s/uint64_t actual_ns/uint32_t actual_ns[4]/' bindings/lua/rtwasm_api.lua >"$scratch/wrong/rtwasm_api.lua"
refuses "twin: a wrong declaration for Lua is found" "missing: field rtw_tick_t.missed 24" declared lua bindings/api.json "$scratch/wrong"
refuses "twin: so is a function that is missing" "missing: function rtw_slot_end" declared lua bindings/api.json "$scratch/wrong"

# --- and which functions are enough

enough() { python3 tests/bindings/enough.py "$1" bindings "$library" "$compiler"; }
check "the functions that docs/bindings.md calls enough run a guest" enough docs/bindings.md
sed 's/`rtw_thread_attach`, //' docs/bindings.md >"$scratch/few.md"
refuses "twin: one fewer is not enough" "rtw_thread_attach" enough "$scratch/few.md"
sed 's/needs 16 functions: /needs 16 functions: `rtw_global_get`, /' docs/bindings.md >"$scratch/many.md"
refuses "twin: nor is one that is not needed among them" "not used: rtw_global_get" enough "$scratch/many.md"

finish
