#!/bin/sh
# Renders each kind of page in a browser and counts pixels: what `rtwasm stats -f html` and rtw_export write, the latter from the
# examples; in both colour schemes, wide and narrow. Then plants faults, each of which has to be found.
# The examples are built before (`make examples artifacts`).
#   PICTURES=FOLDER tests/pages/test_pages.sh     keeps what the browser shows, to be looked at
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/pages
. "$root/tests/lib.sh"
use_uninstalled_library
python=$root/target/python/bin/python
examples=$root/target/examples-c
artifacts=$root/target/artifacts
pictures=${PICTURES:+--pictures $(realpath -m "$PICTURES")}
cd "$scratch" || exit 1

look() { # look FILE...
    # shellcheck disable=SC2086 # two words or none
    timeout 300 "$python" "$root/tests/pages/look.py" $pictures "$@"
}

page() { # page NAME INPUT...: NAME.html of statistics
    name=$1
    shift
    check "$name: the page is written" "$RTWASM" stats "$@" -f html -o "$name.html"
}

check "statistics of known shapes" python3 "$root/tests/pages/make_inputs.py" "$scratch"
page func func.json
page worker worker.json
page compared func.json other.json
page crowd crowd-?.json
check "the audio host writes a page" "$examples/audio/audio" --seconds 2 --artifacts "$artifacts" \
    --report audio.html "$root/assets/phrase.wav" audio.wav
check "the control loop writes a page" "$examples/control-loop/control_loop" --seconds 2 --artifacts "$artifacts" \
    --report control-loop.html
adopt pages look func.html worker.html compared.html crowd.html audio.html control-loop.html

# ---- each of these plants one fault, and the look has to find it ----

plant() { # plant WHERE FILE WHAT MESSAGE SED-SCRIPT: WHERE is light,wide or the like
    from=$2
    planted=planted-$((number = number + 1)).html
    sed "$5" "$from" >"$planted"
    cmp -s "$from" "$planted" && fail "nothing was planted with $5"
    look --only "$1" "$planted" >planted.log 2>&1
    check "planted: $3" grep -q "^FAIL $planted, $(echo "$1" | sed 's/,/, /').*$4" planted.log
}

number=0
pictures=
filled='s/^polyline { fill: none; /polyline { fill: var(--own); /'
plant light,wide func.html "curves filled with their colour" "plot 1: curve c0 is a line" "$filled"
plant dark,narrow func.html "a time line filled with its colour" "plot 3: curve c0 is a line" "$filled"
plant light,wide func.html "curves that cannot be seen" "plot 1: curve c1 is a line" 's/^polyline { fill: none; /&opacity: 0; /'
plant light,wide func.html "bars that cannot be seen" "bars c0 can be seen" \
    's/rect { fill-opacity: .55; stroke: var(--own);/rect { fill-opacity: 0; stroke: none;/'
plant light,wide func.html "pale text" "text stands out" 's/--soft: #5d5d66/--soft: #a5a5ad/'
plant dark,wide func.html "dark text on dark paper" "text stands out" 's/--ink: #e8e8ec/--ink: #4b4b4f/'
plant dark,wide func.html "no dark scheme" "the paper is" 's/(prefers-color-scheme: dark)/(prefers-color-scheme: none)/'
plant light,narrow func.html "tables that do not scroll" "nothing is wider than the window" 's/^\.wide { overflow-x: auto;/.wide {/'
plant light,narrow func.html "plots as narrow as the window" "are large enough" 's/\.wide svg { min-width: 40rem; }//'

finish
