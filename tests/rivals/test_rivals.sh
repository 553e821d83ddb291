#!/bin/sh
# Runs the bench of rivals with two short rounds, which measure nothing: its results agree, a wrong one is found, and each rival that can
# be had has a figure in every case. And docs/performance.md is what the committed figures make. Run by `make rivals-check`.
# Environment: RTWASM, RTWASM_LIBDIR, CC, CLANG as everywhere; TYPED_FUNC (the folder of target/ that has the rival in Rust).
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/rivals
. "$root/tests/lib.sh"
cd "$root" || exit 1
out=target/tests/rivals/bench

rivals() { python3 bench/rivals/rivals.py "$@"; }
export RTWASM RTWASM_LIBDIR CC CLANG
check "the rivals run, and all results are those of native code" env RIVALS=$out ROUNDS=2 UPDATE= bench/rivals/run.sh
[ "$failed" -eq 0 ] || { finish; exit 1; }

# ---- who takes part ----
has() { cut -f1 $out/subjects | grep -qxF "$1"; }
for name in native "native, this CPU" rtwasm "rtwasm, no statistics" "rtwasm, plugin"; do check "$name is among them" has "$name"; done
while IFS="$(printf '\t')" read -r name why; do skip "$name: $why"; done <$out/left-out
present=$(cut -f1 $out/subjects | tr '\n' ';')
for name in "Wasmtime's C API" TypedFunc wasm2c spacewasm Wasmer; do
    case ";$present$(cut -f1 $out/left-out | tr '\n' ';')" in
        *";$name;"* | *";$name,"*) ok "$name takes part, or the bench says why not" ;;
        *) fail "$name: neither takes part nor is left out by name" ;;
    esac
done
if has TypedFunc; then
    check "the rival in Rust has its own functions" sh -c 'nm "$1" | grep -q " T rival_attach$"' sh $out/typed-program
fi
check "each has a figure in every case, or a reason" rivals check $out/figures.json
lacking() { # lacking RIVAL: the cases without a figure
    python3 -c 'import json, sys
print(*[one["case"] for one in json.load(open(sys.argv[1]))["absent"] if one["subject"] == sys.argv[2]])' $out/figures.json "$1"
}
same() { [ "$1" = "$2" ] || { echo "$1, not $2"; return 1; }; }
check "rtwasm lacks what it does not have only" same "$(lacking rtwasm)" "instance-trap allocations-trap"
check "native code lacks what comes with instances only" same "$(lacking native)" \
    "first-attach instance-instantiate instance-prepared instance-end instance-reset instance-turn instance-turn-tiny load-64k-kept load-1m-kept \
memory allocations-instantiate allocations-prepared allocations-reset"
counted() { # counted CASE RIVAL COUNT
    python3 -c 'import json, sys
found = [row["p50"] for row in json.load(open(sys.argv[1]))["rows"] if row["case"] == sys.argv[2] and row["subject"] == sys.argv[3]]
sys.exit(0 if found == [float(sys.argv[4])] else f"{found}")' $out/figures.json "$@"
}
check "a reset of rtwasm allocates nothing" counted allocations-reset rtwasm 0
refuses "and loading does, which is counted" "[" counted allocations-load rtwasm 0

# ---- twins ----
edited() { # edited SCRIPT: the figures, changed
    python3 -c "import json, sys
told = json.load(open(sys.argv[1]))
$1
json.dump(told, open(sys.argv[2], 'w'))" $out/figures.json "$scratch/edited.json"
}
edited 'told["rows"] = [row for row in told["rows"] if (row["case"], row["subject"]) != ("cold-ms", "rtwasm")]'
refuses "twin: a figure that is missing is found" "rtwasm: cold-ms" rivals check "$scratch/edited.json"
edited 'told["absent"] = [one for one in told["absent"] if one["case"] != "memory"]'
refuses "twin: a missing reason is found" "native: memory" rivals check "$scratch/edited.json"
edited '[row for row in told["rows"] if row["case"] == "start"][0]["p50"] = 0'
refuses "twin: a figure of nothing is found" "native: start" rivals check "$scratch/edited.json"

wrong=$out/wrong
mkdir -p $wrong/planted
printf 'native\t../native-program\t../native/%%.so\tnative\t-\t-\t\nplanted\t../native-program\tplanted/%%.so\twrong\t-\t-\t\n' >$wrong/subjects
: >$wrong/left-out
plant() { # plant SOURCE SCRIPT: the planted rival's guest has an error
    sed "$2" "$1" >$wrong/source.c
    cmp -s "$1" $wrong/source.c && { echo "$1 has nothing to plant it in"; return 1; }
    "$CLANG" -O2 -ffp-contract=off -w -fPIC -shared -I"$(dirname "$1")" $wrong/source.c -o "$wrong/planted/$(basename "$1" .c).so"
}
check "an error can be planted" plant guests/kernels/gain.c 's/factor = 0.7f/factor = 0.7001f/'
refuses "twin: a wrong result of a kernel is found" "planted computes" rivals run $wrong 2 gain --only kernel-gain
check "without an error it is as native" cp $out/native/gain.so $wrong/planted
check "and passes" rivals run $wrong 2 gain --only kernel-gain
sed 's|"../../../guests/kernels/kernel.h"|"kernel.h"|; s/(uint32_t)a + /(uint32_t)a - /' bench/rivals/guests/calls.c >$wrong/calls.c
check "an error can be planted in a call" "$CLANG" -O2 -w -fPIC -shared -Iguests/kernels $wrong/calls.c -o $wrong/planted/calls.so
refuses "twin: a wrong result of a call is found" "planted computes" rivals run $wrong 2 gain --only call-add
refuses "twin: a wrong result of a cold call is found" "planted computes" rivals run $wrong 2 gain --only cold-ms
refuses "twin: a rival that ends is found" "planted has ended" sh -c 'rm -f "$1/planted/small.so" && python3 bench/rivals/rivals.py run "$1" 2 gain --only first-thread' sh $wrong
refuses "twin: a case that is not there is refused" "no case's name begins so" rivals run $wrong 2 gain --only unheard

# ---- the page ----
page() { # page FIGURES FOLDER
    mkdir -p "$2" && python3 bench/rivals/page.py "$1" "$2"
}
check "the committed figures are complete" rivals check bench/rivals/figures.json
check "the committed figures make a page" page bench/rivals/figures.json "$scratch/page"
as_committed() { # as_committed FOLDER: the page and its pictures
    (cd "$1" && ls) | while read -r name; do cmp "$1/$name" "docs/$name" || exit 1; done
}
for name in performance.md performance-kernel.svg performance-instance.svg; do check "$name is written" test -s "$scratch/page/$name"; done
check "docs/performance.md and its pictures are what the committed figures make" as_committed "$scratch/page"
described() { # described PAGE: each kernel has a row with a sentence
    python3 -c 'import json; print(*[case["title"] for case in json.load(open("bench/rivals/figures.json"))["cases"] if case["group"] == "kernel"])' |
        tr ' ' '\n' | while read -r kernel; do grep -q "^| $kernel | .*[a-z].*\. |$" "$1" || { echo "$kernel is not described"; exit 1; }; done
}
check "the page says what a run of each kernel computes" described docs/performance.md
sed '/^| chase | .*[a-z]/d' docs/performance.md >"$scratch/undescribed.md"
refuses "twin: a kernel without a sentence is found" "chase is not described" described "$scratch/undescribed.md"
sed 's/"p50": [0-9.]*/"p50": 12345/' bench/rivals/figures.json >"$scratch/other.json"
check "other figures make a page" page "$scratch/other.json" "$scratch/other"
refuses "twin: and it differs" "differ" as_committed "$scratch/other"
check "a picture is XML" python3 -c 'import sys, xml.dom.minidom; [xml.dom.minidom.parse(name) for name in sys.argv[1:]]' docs/performance-*.svg
finish
