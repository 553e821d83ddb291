#!/bin/sh
# Hosts that lock their memory where little may be locked: refusals name the limit and the remedy, and the remedy works.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=.
scratch=target/memlock
. tests/lib.sh
out=$scratch
cat >$out/guest.wat <<'WAT'
(module
  (memory (export "memory") 2 4)
  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))
WAT
$CC -std=c11 $C_WARNINGS -Iinclude tests/memlock/memlock.c -o $out/memlock \
    -Ltarget/release -lrtwasm -Wl,-rpath,"$PWD/target/release" || exit 1


limited() { # limited BYTES COMMAND...: without the right to lock more than the limit
    limit=$1
    shift
    if [ "$(id -u)" = 0 ]; then
        prlimit --memlock="$limit:$limit" setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "$@"
    else
        prlimit --memlock="$limit:$limit" "$@"
    fi
}
says() { # says TEXT COMMAND...: the command's output has the text
    text=$1
    shift
    "$@" >$out/log 2>&1
    grep -q -- "$text" $out/log || { cat $out/log; false; }
}

mib=1048576
for profile in standalone plugin; do
    target/tools/rtwasm compile -q --profile $profile $out/guest.wat -o $out/full.rtw
    target/tools/rtwasm compile -q --profile $profile --reservation declared $out/guest.wat -o $out/declared.rtw
    check "$profile: without a limit in the way the full reservation works" \
        says "2 + 3 = 5" $out/memlock $profile $out/full.rtw 0
    check "$profile: the full reservation is refused by name where all is locked and little may be" \
        says "instance: RTW_ERR_MEMLOCK: cannot reserve 41*[0-9]* MiB.*--reservation declared" \
        limited $((8 * mib)) $out/memlock $profile $out/full.rtw 0
    check "$profile: the declared reservation works there" \
        says "2 + 3 = 5" limited $((8 * mib)) $out/memlock $profile $out/declared.rtw 0
    check "$profile: and can be locked there" \
        says "2 + 3 = 5, locked 1" limited $((8 * mib)) $out/memlock $profile $out/declared.rtw 2
done
finish
