# Which glibc binaries need. To be sourced after tests/lib.sh.

# The README promises this version.
promised_glibc=$(sed -n 's/.*glibc \([0-9.]*[0-9]\) or newer.*/\1/p' "$root/README.md" | head -n 1)

needed_glibc() { # needed_glibc BINARY: the newest version that it asks for
    objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -V | tail -n 1
}

not_newer() { # not_newer BINARY: than what is promised
    newest=$(needed_glibc "$1")
    [ -n "$newest" ] && [ "$(printf '%s\n%s\n' "$promised_glibc" "$newest" | sort -V | tail -n 1)" = "$promised_glibc" ] && return
    echo "$1 needs glibc $newest, the README says $promised_glibc"
    objdump -T "$1" | grep "GLIBC_$newest"
    return 1
}

check_glibc() { # check_glibc MACHINE BINARY...: none needs a newer glibc than the README says; a planted one is found
    machine=$1
    shift
    check "the README names the oldest glibc" test -n "$promised_glibc"
    for binary in "$@"; do
        check "$(basename "$binary") for $machine needs no newer glibc" not_newer "$binary"
    done
    echo '#include <stdlib.h>
unsigned rtw_planted(void); unsigned rtw_planted(void) { return arc4random(); }' >"$scratch/planted.c"
    check "a library for $machine that needs a newer one" $CC -O1 -shared -fPIC "$scratch/planted.c" -o "$scratch/libplanted.so"
    refuses "twin: it is found" "needs glibc 2.36" not_newer "$scratch/libplanted.so"
}
