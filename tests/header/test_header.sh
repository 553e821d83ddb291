#!/bin/sh
# The headers: does each stand alone in every language and compiler, are they what the sources say, are they documented?
# Every check has a twin: a copy of the header or of the sources in which something is planted that must be found.
# shellcheck disable=SC2086 # lists of words
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-header
. "$root/tests/lib.sh"
cd "$root" || exit 1
planted=$scratch/planted
mkdir -p "$planted"

# The program is a header, twice: it must bring along all that it needs, and bear to be included again.
compiles() { # compiles HEADER COMPILER FLAGS...
    header=$1
    shift
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" | "$@" -fsyntax-only -
}

# Padding is no fault: where it would be one, tests/abi finds it. Nor is a newer language that an older one is warned of.
EVERYTHING="-Weverything -Wno-padded -Wno-pre-c2x-compat -Wno-pre-c++20-compat-pedantic -Wno-unknown-warning-option -Werror"
in_all_languages() { # in_all_languages JUDGE HEADER [FLAGS...]: JUDGE gets a name and a command for every compiler and language
    judge=$1
    header=$2
    shift 2
    for std in c99 c11 c17 c2x; do
        $judge "$(basename "$header"): $std, gcc" compiles "$header" "$CC" -std=$std -x c $C_WARNINGS "$@"
        $judge "$(basename "$header"): $std, clang" compiles "$header" "$CLANG" -std=$std -x c $C_WARNINGS "$@"
        $judge "$(basename "$header"): $std, clang -Weverything" compiles "$header" "$CLANG" -std=$std -x c $EVERYTHING "$@"
    done
    for std in c++11 c++14 c++17 c++20 c++2b; do
        $judge "$(basename "$header"): $std, g++" compiles "$header" "$CXX" -std=$std -x c++ $C_WARNINGS "$@"
        $judge "$(basename "$header"): $std, clang++" compiles "$header" "$CLANGXX" -std=$std -x c++ $C_WARNINGS "$@"
        $judge "$(basename "$header"): $std, clang++ -Weverything" compiles "$header" "$CLANGXX" -std=$std -x c++ $EVERYTHING "$@"
    done
}

expect_error() { # expect_error WHAT COMMAND...: the command must end in a compiler's error
    what=$1
    shift
    refuses "$what, without its includes: refused" error: "$@"
}

# The reader of one header needs no other: each of the folder stands alone as the whole does.
nouns=$(cd include/rtwasm && ls ./*.h | sed 's#^\./##')
python3 tests/header/cheader.py flat include/rtwasm.h >"$planted/flat.h"
for header in include/rtwasm.h include/rtwasm_compiler.h $(printf 'include/rtwasm/%s ' $nouns); do
    in_all_languages check "$root/$header"
done
mkdir -p "$planted/rtwasm"
for noun in $nouns; do
    cp include/rtwasm/*.h "$planted/rtwasm/"
    grep -v '^#include' "include/rtwasm/$noun" >"$planted/rtwasm/$noun"
    for compiler in "$CC -std=c99 -x c" "$CLANG -std=c99 -x c" "$CXX -std=c++11 -x c++" "$CLANGXX -std=c++11 -x c++"; do
        expect_error "$noun: ${compiler%% *}" compiles "$planted/rtwasm/$noun" $compiler
    done
done
cp include/rtwasm/*.h "$planted/rtwasm/"

two_screens() { [ "$(wc -l <"$1")" -le 100 ] || { wc -l "$1"; return 1; }; }
check "the whole of call.h is seen on two screens" two_screens include/rtwasm/call.h
refuses "twin: a longer one is found" instance.h two_screens include/rtwasm/instance.h
one_line() { ! grep -n -A1 '^ *//[*!]\|^ */\*\*' "$@"; }
check "comments of one line take one line" one_line include/rtwasm.h include/rtwasm_compiler.h include/rtwasm/*.h
printf '/**\n * Planted.\n */\n' >"$planted/old.h"
refuses "twin: one that takes three is found" "Planted" one_line "$planted/old.h"

{ cat "$planted/flat.h"; echo 'struct planted_t { int32_t outside_the_guard; };'; } >"$planted/rtwasm.h"
refuses "twin: what the include guard leaves out is found" redefinition compiles "$planted/rtwasm.h" "$CC" -std=c99 -x c

# An error in each language that only -Weverything finds: the plain warnings let this pass.
sed '/RTWASM_H \*\//i static inline int planted(float x, float y) { return x == y; }' "$planted/flat.h" >"$planted/rtwasm.h"
check "twin: an unsafe comparison passes the plain warnings" compiles "$planted/rtwasm.h" "$CLANG" -std=c99 -x c $C_WARNINGS
refuses "twin: it is found in C" -Wfloat-equal compiles "$planted/rtwasm.h" "$CLANG" -std=c99 -x c $EVERYTHING
refuses "twin: it is found in C++" -Wfloat-equal compiles "$planted/rtwasm.h" "$CLANGXX" -std=c++11 -x c++ $EVERYTHING

# The marker stands where an attribute may stand. `nonblocking` itself takes clang 20; any function attribute shows the place.
for compiler in "$CC -std=c99 -x c" "$CLANG -std=c99 -x c" "$CXX -std=c++11 -x c++" "$CLANGXX -std=c++11 -x c++"; do
    check "RTW_NONBLOCKING as an attribute: ${compiler%% *}" \
        compiles "$root/include/rtwasm.h" $compiler $C_WARNINGS '-DRTW_NONBLOCKING=__attribute__((cold))'
done

# The Makefile's own recipe, with another folder to write to and, for the twin, others to read from.
unset MAKEFLAGS MFLAGS MAKELEVEL
regenerate() { # regenerate OUT_DIR [SOURCE_DIR]
    mkdir -p "$1"
    make -n --no-print-directory header | sed -E "s# include/# $1/#; s#([ =,])(compiler/)?src/#\1${2:-$root}/\2src/#g" >"$1/recipe.sh"
    sh -eu "$1/recipe.sh"
}
check "the headers can be generated" regenerate "$scratch/generated"
mkdir -p "$scratch/sources/compiler"
cp -r src "$scratch/sources/src"
cp -r compiler/src "$scratch/sources/compiler/src"
sed -i 's/fn rtw_version()/fn rtw_planted()/' "$scratch/sources/src/capi/version.rs"
sed -i 's/pub attach_on_call: u32/pub planted: u32/' "$scratch/sources/src/capi/runtime.rs"
sed -i 's/pub reservation: u32/pub planted: u32/' "$scratch/sources/compiler/src/capi.rs"
check "they can be from changed sources" regenerate "$scratch/changed" "$scratch/sources"
check "rtwasm.h is what the sources say" diff -u include/rtwasm.h "$scratch/generated/rtwasm.h"
check "and so are its parts" diff -ru include/rtwasm "$scratch/generated/rtwasm"
check "rtwasm_compiler.h is what the sources say" diff -u include/rtwasm_compiler.h "$scratch/generated/rtwasm_compiler.h"
refuses "twin: a function's change is found" "+uint32_t rtw_planted(void)" diff -u include/rtwasm.h "$scratch/changed/rtwasm.h"
refuses "twin: a field's change is found" "+    uint32_t planted;" \
    diff -u include/rtwasm_compiler.h "$scratch/changed/rtwasm_compiler.h"
refuses "twin: a part's change is found" "+    uint32_t planted;" diff -ru include/rtwasm "$scratch/changed/rtwasm"

# The order of the headers: one that comes before another may use its handles, and nothing else of it.
ordered() { # ordered NOUN=SOURCE...
    cargo run --locked -q -p rtwasm-headergen -- cbindgen.toml "$scratch/ordered.h" src/capi/version.rs status=src/status.rs,src/capi/error.rs "$@"
}
check "headers can be generated in an order of their own" ordered value=src/capi/value.rs stats=src/capi/stats.rs,src/capi/interval.rs runtime=src/capi/runtime.rs
refuses "twin: a header before one that it needs whole is refused" "runtime comes before stats, and uses its rtw_distribution_t, which is no handle" \
    ordered runtime=src/capi/runtime.rs stats=src/capi/stats.rs,src/capi/interval.rs
refuses "twin: so is a source that is in two headers" "is defined for value and for again" ordered value=src/capi/value.rs again=src/capi/value.rs

for language in "-xc -std=c99" "-xc -std=c17" "-xc++ -std=c++20"; do
    # shellcheck disable=SC2086 # words
    effects() { # effects OPTION...
        "${CLANG_EFFECTS:-clang-22}" $language -Wall -Wextra -Wpedantic -Wfunction-effects -Werror -Iinclude -fsyntax-only "$@" \
            tests/header/effects.c
    }
    check "$language: the compiler lets real-time functions be called from non-blocking ones" effects
    refuses "twin: $language: and no others" "must not call non-'nonblocking' function 'rtw_func_destroy'" effects -DPLANTED
done

preamble_says_it() { sed '/\*\//q' "$1" | grep -q "can return RTW_ERR_NO_MEMORY"; }
check "the first comment says that functions can return RTW_ERR_NO_MEMORY" preamble_says_it include/rtwasm.h
docs() { # docs HEADER...
    python3 "$root/tests/header/check_docs.py" "$@"
}
check "every function, field and constant is documented" docs include/rtwasm.h include/rtwasm_compiler.h

undocumented() { # undocumented MESSAGE DECLARATION CHANGE: a copy whose comment and declaration are changed must be answered with MESSAGE
    perl -00 -pe "BEGIN { \$n = 0 } if (/\\b$2/) { \$n += do { $3 } } END { exit(\$n == 0) }" "$planted/flat.h" >"$planted/rtwasm.h" ||
        { fail "twin: $1: nothing was changed"; return; }
    refuses "twin: $1" "$1" docs "$planted/rtwasm.h"
}
undocumented "rtw_runtime_create: 0 role lines instead of one" 'rtw_runtime_create\(' 's/\[setup\]//'
undocumented "rtw_runtime_create: 2 role lines instead of one" 'rtw_runtime_create\(' 's/^\/\/\/ config  /\/\/\/ [any]/m'
undocumented "rtw_runtime_create: unknown role [set-up]" 'rtw_runtime_create\(' 's/\[setup\]/[set-up]/'
undocumented "rtw_runtime_create: answers a status but has no line" 'rtw_runtime_create\(' 's/errors:/fails with/'
undocumented "rtw_runtime_create: names RTW_ERR_NO_MEMORY among its errors" 'rtw_runtime_create\(' 's/RTW_ERR_ENGINE,/RTW_ERR_NO_MEMORY,/'
undocumented "rtw_invoke: answers a status but has no line" 'rtw_invoke\(' 's/ returns / answers /'
undocumented "rtw_invoke: has no line \`real time:\`" 'rtw_invoke\(' 's/real time:/costs/'
undocumented "rtw_invoke: is for real-time threads but not marked" 'rtw_invoke\(' 's/RTW_NONBLOCKING;/;/'
undocumented "rtw_slot_end: does not say when to use it" 'rtw_slot_end\(' 's/Use it/Call it/'
undocumented "rtw_version: has no line \`real time:\`" 'rtw_version\(' 's/real time:/costs/'
undocumented "rtw_module_destroy: has no comment" 'rtw_module_destroy\(' 's/^\/\/\/.*\n//mg'
undocumented "rtw_thread_config_t: its field cpu has no comment" 'rtw_thread_config_t \{' 's/(    \/\/\/.*\n)+(    int32_t cpu;)/$2/'
undocumented "RTW_ERR_BUSY: has no comment" 'define RTW_ERR_BUSY' 's/^\/\/\/.*\n//mg'
undocumented "its comment names rtw_module_prob" 'rtw_module_load\(' 's/rtw_module_probe/rtw_module_prob/'

finish
