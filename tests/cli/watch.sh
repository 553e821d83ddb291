#!/bin/sh
# `rtwasm watch`: compiles at once and after every change, keeps what it has where something does not compile, runs what it is
# told to run. Run by `make test`.
# Environment: RTWASM (the command).
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/watch
. ../lib.sh
module=$scratch/gain.wat
artifact=$scratch/gain.rtw
watcher=
trap '[ -z "$watcher" ] || kill "$watcher" 2>/dev/null' EXIT

version() { # version NUMBER: the module answers it; put in place as editors do
    echo "(module (func (export \"version\") (result i32) (i32.const $1)))" >"$scratch/new"
    mv "$scratch/new" "$module"
}
compiled() { # compiled NUMBER: the artifact is that version's
    echo "(module (func (export \"version\") (result i32) (i32.const $1)))" >"$scratch/expected.wat"
    "$RTWASM" compile -q "$scratch/expected.wat" -o "$scratch/expected.rtw" && cmp -s "$artifact" "$scratch/expected.rtw"
}
until_so() { # until_so COMMAND...: waits until the command succeeds, as long as the watcher lives
    until "$@"; do
        kill -0 "$watcher" 2>/dev/null || return 1
    done
}
ran() { [ "$(wc -l <"$scratch/ran")" -eq "$1" ]; }
said() { grep -q "$1" "$scratch/err"; }

version 1
: >"$scratch/ran"
"$RTWASM" watch "$module" -o "$artifact" --exec "echo ran >>'$scratch/ran'" >"$scratch/out" 2>"$scratch/err" &
watcher=$!
check "compiles at once" until_so compiled 1
check "and runs the command" until_so ran 1
version 2
check "compiles again when another file takes the module's place" until_so compiled 2
check "and runs the command again" until_so ran 2
echo "(module (func (export \"version\") (result i32) (i32.const 3)))" >"$module"
check "compiles again when the module is written to" until_so compiled 3
check "and runs the command a third time" until_so ran 3
echo "(module (func (result i32)))" >"$module"
check "tells of a module that is wrong" until_so said "rtwasm: error: .*gain.wat"
check "keeps the artifact, and the command is not run" compiled 3
ran 3 || fail "the command was run for a module that is wrong"
version 4
check "goes on with the next one that is right" until_so compiled 4
check "and runs the command" until_so ran 4
kill $watcher
wait $watcher 2>/dev/null
watcher=
refuses "refused: no such folder" "No such file or directory" "$RTWASM" watch "$scratch/none/gain.wat" -o "$artifact"
refuses "refused: the standard input" "have to be files" "$RTWASM" watch - -o "$artifact"
refuses "refused: an option that compile has not" "unknown option --loud" "$RTWASM" watch "$module" -o "$artifact" --loud
finish
