# Shared by the tests in shell. To be sourced; the script sets `root` (the project's) and `scratch` (its own folder
# below target/) before. Every check prints `ok WHAT` or `FAIL WHAT`; `finish` prints `N passed, N failed` as the last line.

: "${root:?the sourcing script sets root}" "${scratch:?the sourcing script sets scratch}"
RTWASM=${RTWASM:-$root/target/tools/rtwasm}
RTWASM_LIBDIR=${RTWASM_LIBDIR:-$root/target/release}
CC=${CC:-gcc}
CXX=${CXX:-g++}
CLANG=${CLANG:-clang-19}
CLANGXX=${CLANGXX:-clang++-19}
support=$root/tests/support
harness="$support/check.c $support/child.c $support/common.c $support/start.c $support/statuses.c" # of tests in C
# Where programs of another machine are tested (tests/aarch64): what runs them there, and which machine it is. What is built for it
# has folders of its own.
INSIDE=${INSIDE:-}
MACHINE=${MACHINE:-$(uname -m)}
[ -z "$INSIDE" ] || scratch=$root/target/$MACHINE/tests/$(basename "$scratch")
C_WARNINGS="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
export PYTHONDONTWRITEBYTECODE=1 # nothing of ours is left beside the sources
passed=0
failed=0

rm -rf "$scratch"
mkdir -p "$scratch"

# Settings from the environment are left out when a command to repeat is printed.
if [ -z "$TEST_ENVIRONMENT" ]; then
    TEST_ENVIRONMENT=$(realpath "$scratch")/environment
    export TEST_ENVIRONMENT
    env -0 >"$TEST_ENVIRONMENT"
fi
# The interpreter itself: what stands before it in the PATH may set variables of its own.
TEST_PYTHON=${TEST_PYTHON:-$(python3 -c 'import sys; print(sys.executable)')}
guard=$(realpath "$root")/tests/guard.py

ok() { # ok WHAT
    echo "ok $*"
    passed=$((passed + 1))
}

fail() { # fail WHAT
    echo "FAIL $*"
    failed=$((failed + 1))
}

skip() { # skip WHAT: WHY: is not tested here, and not counted
    echo "skipped: $*"
}

check() { # check WHAT COMMAND...: ok if the command succeeds; what it said is shown if not
    what=$1
    shift
    if "$@" >"$scratch/check.log" 2>&1; then
        ok "$what"
    else
        fail "$what"
        sed 's/^/    /' "$scratch/check.log"
        for log in out err; do # of the program that the check is about, where a script keeps them
            [ -s "$scratch/$log" ] && sed "s/^/    $log: /" "$scratch/$log"
        done
        tell_how_to_repeat "$@"
    fi
}

make_alone() { # make_alone ARGUMENT...: `make`; waits for other suites that are at it, since they may build the same
    flock "$root/target/make.lock" make -s "$@"
}

is_program() { # is_program COMMAND: rather than a function of the script's
    case $(command -v "$1") in */*) ;; *) return 1 ;; esac
}

tell_how_to_repeat() { # tell_how_to_repeat COMMAND...: where it can be done without the script
    is_program "$1" || return
    env -0 >"$TEST_ENVIRONMENT.now.$$"
    printf '    to repeat it: %s\n' "$("$TEST_PYTHON" "$guard" repeat "$TEST_ENVIRONMENT" "$TEST_ENVIRONMENT.now.$$" -- "$@")"
    rm -f "$TEST_ENVIRONMENT.now.$$"
}

says() { # says TEXT COMMAND...: true if the command succeeds and its output has the text (a fixed string); otherwise it shows the output
    text=$1
    shift
    "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said"; return 1; }
    grep -qF -e "$text" "$scratch/said" || { cat "$scratch/said"; return 1; }
}

refuses() { # refuses WHAT MESSAGE COMMAND...: ok if the command fails and says MESSAGE (a fixed string)
    what=$1
    message=$2
    shift 2
    if "$@" >"$scratch/check.log" 2>&1; then
        fail "$what: it succeeded"
        tell_how_to_repeat "$@"
    elif grep -qF -e "$message" "$scratch/check.log"; then
        ok "$what"
    else
        fail "$what: it failed without saying '$message'"
        sed 's/^/    /' "$scratch/check.log"
        tell_how_to_repeat "$@"
    fi
}

# adopt NAME COMMAND...: runs a test program of our kind; its lines and counts become ours. A program that hangs is killed and
# named. PROGRAM_HANG_SECONDS: after how long.
adopt() {
    name=$1
    shift
    : >"$scratch/adopt.guard"
    if is_program "$1"; then
        # shellcheck disable=SC2086 # a list of words
        "$TEST_PYTHON" "$guard" run --limit "${PROGRAM_HANG_SECONDS:-600}" --log "$scratch/adopt.out" --errors "$scratch/adopt.err" -- $INSIDE "$@" \
            >"$scratch/adopt.guard"
    else
        "$@" >"$scratch/adopt.out" 2>"$scratch/adopt.err"
    fi
    status=$?
    failed_before=$failed
    grep -Ev '^[0-9]+ passed, [0-9]+ failed$' "$scratch/adopt.out" | sed -E "s/^(ok|FAIL) /\1 $name: /"
    passed=$((passed + $(grep -c '^ok ' "$scratch/adopt.out")))
    failed=$((failed + $(grep -c '^FAIL ' "$scratch/adopt.out")))
    if [ -s "$scratch/adopt.guard" ]; then
        fail "$name: $(sed '1s/^FAIL //' "$scratch/adopt.guard")"
    elif ! tail -n 1 "$scratch/adopt.out" | grep -Eq '^[1-9][0-9]* passed, [0-9]+ failed$'; then
        fail "$name: ended early, with exit status $status"
        sed 's/^/    /' "$scratch/adopt.err"
    elif [ $status -ne 0 ] && ! grep -q '^FAIL ' "$scratch/adopt.out"; then
        fail "$name: exit status $status"
        sed 's/^/    /' "$scratch/adopt.err"
    fi
    [ "$failed" -eq "$failed_before" ] || tell_how_to_repeat "$@"
}

# Programs ask for the library by its SONAME; an uninstalled build has the plain name only.
use_uninstalled_library() {
    soname=$(objdump -p "$RTWASM_LIBDIR/librtwasm.so" | awk '$1 == "SONAME" { print $2 }')
    [ -n "$soname" ] || { echo "FAIL $RTWASM_LIBDIR/librtwasm.so: not built, or without a SONAME"; exit 1; }
    mkdir -p "$scratch/lib"
    ln -sf "$(realpath "$RTWASM_LIBDIR/librtwasm.so")" "$scratch/lib/$soname"
    LD_LIBRARY_PATH=$scratch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
}

finish() { # the last line, and the exit status
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
