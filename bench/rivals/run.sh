#!/bin/sh
# Builds the programs of the comparison outside calls, one a rival, and runs them in turn (rivals.py); the figures go to
# target/bench/rivals.json. The stock engine comes from PyPI's package `wasmtime`, which holds its C API's library; without it rtwasm is
# measured alone.
#   ROUNDS    default 41
#   WASMTIME  the stock engine's shared library, instead of PyPI's
set -eu
cd "$(dirname "$0")/../.."
out=target/bench/rivals
# The release of the package that is nearest to the pinned engine's.
STOCK=48.0.0
mkdir -p $out
flags="-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Werror -Iinclude"
# shellcheck disable=SC2086 # a list of words
compile() { "${CC:-cc}" $flags "$@"; }
compile bench/rivals/start.c -o $out/start
compile bench/rivals/rival.c bench/rivals/rtwasm.c -o $out/rtwasm -Ltarget/release -lrtwasm -Wl,-rpath,"$PWD/target/release"

stock=${WASMTIME:-$out/wasmtime/linux-$(uname -m)/_libwasmtime.so}
if [ -z "${WASMTIME:-}" ] && [ ! -e "$stock" ]; then
    if python3 -m pip download --quiet --no-deps --only-binary=:all: -d $out wasmtime==$STOCK >$out/pip.log 2>&1; then
        python3 -m zipfile -e $out/wasmtime-$STOCK-*.whl $out
    else
        echo "the stock engine is left out: pip has no wasmtime==$STOCK for this machine ($out/pip.log)"
    fi
fi
has_stock=
if [ -e "$stock" ]; then
    stock=$(realpath "$stock")
    compile bench/rivals/rival.c bench/rivals/wasmtime.c "$stock" -Wl,-rpath,"$(dirname "$stock")" -o $out/wasmtime-c && has_stock=1
fi

rm -f $out/release.key $out/release.pub
target/tools/rtwasm keygen $out/release >/dev/null
for size in 1:small 42:64k 751:1m; do
    name=${size#*:}
    python3 bench/rivals/guest.py "${size%:*}" >$out/"$name".wat
    target/tools/rtwasm compile --quiet $out/"$name".wat -o $out/"$name".rtw
    target/tools/rtwasm sign $out/"$name".rtw -o $out/"$name".signed.rtw --key $out/release.key >/dev/null
    [ -z "$has_stock" ] || $out/wasmtime-c compile $out/"$name".wat $out/"$name".cwasm
done
python3 - $out "$has_stock" "$(python3 bench/rivals/guest.py 1 result)" >$out/subjects.json <<'END'
import json
import sys
out, has_stock, result = sys.argv[1:]


def subjects(name, keys):
    stock = {"name": "Wasmtime's C API", "program": f"{out}/wasmtime-c", "arguments": [f"{out}/{name}.cwasm"]}
    own = {"name": "rtwasm", "program": f"{out}/rtwasm", "arguments": [f"{out}/{name}.rtw"]}
    signed = {"name": "rtwasm, signed, one trusted key", "program": f"{out}/rtwasm",
              "arguments": [f"{out}/{name}.signed.rtw", f"{out}/release.pub"]}
    return ([stock] if has_stock else []) + [own] + ([signed] if keys else [])


print(json.dumps({
    "result": int(result),
    "launcher": f"{out}/start",
    "loads": [{"case": f"load {size} of code", "subjects": subjects(name, True)} for size, name in (("64 KiB", "64k"), ("1 MiB", "1m"))],
    "cases": [subjects("small", False)],
    "starts": [{"case": "start", "subjects": subjects("small", False)}],
}))
END
python3 bench/rivals/rivals.py $out/subjects.json target/bench/rivals.json "${ROUNDS:-41}"
