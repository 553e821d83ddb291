#!/bin/sh
# The package for Python in its folder, with the libraries as they are built. tests/packages.sh has the packages that it uses.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/bindings-python
. "$root/tests/lib.sh"
cd "$root" || exit 1
RTWASM_LIBRARY=$(realpath "$RTWASM_LIBDIR/librtwasm.so")
RTWASM_COMPILER_LIBRARY=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")
PYTHONPATH=$root/bindings/python
export RTWASM_LIBRARY RTWASM_COMPILER_LIBRARY PYTHONPATH
python=$root/target/python-bindings/bin/python
[ -e "$root/target/python-bindings/packages" ] || tests/packages.sh || exit 1
if [ ! -e "$root/target/python-bindings/packages" ]; then
    skip "the package for Python: the package index did not answer"
    ok "the package is skipped by name"
    finish
    exit
fi

MPLCONFIGDIR=$scratch adopt python "$python" tests/bindings/test_python.py

# Without numpy, pandas and matplotlib all works that does not need them.
# shellcheck disable=SC2016
check "the package needs no other" python3 -c 'import rtwasm
artifact = rtwasm.compile("(module (memory (export \"memory\") 1) (func (export \"f\") (result i32) (i32.load8_u (i32.const 3))))")
instance = rtwasm.Runtime().load(artifact).instance()
instance.memory().view()[3] = 7
assert instance.func("f")() == 7'

# --- the program that its page shows

shown() { # shown NAME: the programs of a page are there, and so is the guest that they load
    python3 tests/docs/check_docs.py programs README.md "$scratch" &&
        python3 tests/docs/check_docs.py programs bindings/python/README.md "$scratch" | grep -Fx "$1" &&
        "$RTWASM" compile -q "$scratch/gain.wat" -o "$scratch/gain.rtw"
}
check "the page shows a program" shown gain.py
first() { (cd "$scratch" && python3 gain.py) | grep -E '^0\.5 [0-9.]+ ns$'; }
check "the page's program runs without another package" first

# --- types

types() { # types FILE
    MYPYPATH=$PYTHONPATH "$python" -m mypy --strict --cache-dir "$scratch/mypy" "$1"
}
check "the package has its types, all of them" types bindings/python/rtwasm
check "and so has the notebook" types bindings/python/examples/first_steps.py
check "the types are marked as the package's" test -e bindings/python/rtwasm/py.typed
statements=0
typed() { # typed STATEMENT: in a file of its own, since mypy takes one that was changed in the same second for the old one
    statements=$((statements + 1))
    printf 'import rtwasm\nruntime = rtwasm.Runtime()\ninstance = runtime.load(b"").instance()\nfunc = instance.func("f")\n%s\n' "$1" \
        >"$scratch/typed$statements.py"
    types "$scratch/typed$statements.py"
}
check "figures have their names and types" typed 'p99: float = func.stats()["call"]["p99_ns"]'
refuses "twin: a figure that there is not is found" 'has no key "p98_ns"' typed 'p98 = func.stats()["call"]["p98_ns"]'
refuses "twin: so is an option that there is not" 'Unexpected keyword argument "budget"' typed 'runtime.load(b"").instance(budget=3)'
refuses "twin: so is a wrong type" 'incompatible type "str"' typed 'instance.memory().grow("more")'

finish
