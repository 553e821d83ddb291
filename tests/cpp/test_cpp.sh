#!/bin/sh
# The C++ header: warnings in C++17 to C++23 under gcc and clang, what it does in both profiles, what a call through it takes. Run by
# `make test`. Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC, CXX, CLANGXX.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/cpp
. ../lib.sh
use_uninstalled_library
library=$RTWASM_LIBDIR/librtwasm.so
WARNINGS="$C_WARNINGS -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi"

for profile in standalone plugin; do
    for guest in guest.wat "$root/guests/built/tone.wasm" "$root/tests/capi/guests/wasi_reactor.wasm"; do
        name=$(basename "${guest%.*}").$profile.rtw
        "$RTWASM" compile -q "$guest" -o "$scratch/$name" --profile $profile || fail "$name"
    done
done
objects=
for source in $harness; do
    object=$scratch/$(basename $source .c).o
    $CC -std=c99 -D_GNU_SOURCE -O1 -g -I$root/include -pthread -c $source -o "$object" || fail "$source compiles"
    objects="$objects $object"
done

# ---- every standard, both compilers, with and without exceptions ----
# The harness's own headers are C, hence -isystem for them.
build() { # build NAME COMPILER FLAG...
    name=$1
    shift
    check "$name compiles without a warning" "$@" $WARNINGS -O1 -g -pthread -isystem ../support -I$root/include test_hpp.cpp $objects -o "$scratch/$name" "$library"
}
for standard in 17 20 23; do
    build gcc-$standard "$CXX" -std=c++$standard
    build clang-$standard "$CLANGXX" -std=c++$standard
done
build gcc-17-no-exceptions "$CXX" -std=c++17 -fno-exceptions
build gcc-20-sanitized "$CXX" -std=c++20 -fsanitize=address,undefined -fno-sanitize-recover=undefined

for program in gcc-17 gcc-23 clang-20 gcc-17-no-exceptions gcc-20-sanitized; do
    for profile in standalone plugin; do
        # AddressSanitizer wants SIGSEGV for itself, which the standalone profile has to have.
        [ $program-$profile != gcc-20-sanitized-standalone ] || continue
        adopt "$program, $profile" "$scratch/$program" "$scratch/guest.$profile.rtw" "$scratch/tone.$profile.rtw" "$scratch/wasi_reactor.$profile.rtw"
    done
done

# ---- what must not compile ----
rejects() { # rejects WHAT BODY: the compiler refuses it; and accepts the same without the mistake
    printf '#include <rtwasm.hpp>\nvoid f(rtwasm::instance &i, rtwasm::imports &m) { (void)i, (void)m; %s }\n' "$2" >"$scratch/rejected.cpp"
    if $CXX -std=c++17 -fsyntax-only -I$root/include "$scratch/rejected.cpp" 2>"$scratch/rejected.log"; then
        fail "$1 is rejected"
    elif grep -q "$3" "$scratch/rejected.log"; then
        ok "$1 is rejected"
    else
        fail "$1 is rejected, and the compiler says why"
        head -5 "$scratch/rejected.log"
    fi
}
accepts() {
    printf '#include <rtwasm.hpp>\nvoid f(rtwasm::instance &i, rtwasm::imports &m) { (void)i, (void)m; %s }\n' "$2" >"$scratch/accepted.cpp"
    check "$1 is accepted" $CXX -std=c++17 -fsyntax-only -I$root/include "$scratch/accepted.cpp"
}
rejects "a pointer as a guest's parameter" 'i.func<void(char *)>("a");' "a guest's function takes and returns"
rejects "a bool as a result" 'i.func<bool()>("a");' "a guest's function takes and returns"
rejects "a func without a function type" 'i.func<int>("a");' "is written as in func"
rejects "a host function that takes a string" 'm.func("a", "b", [](std::string) {});' "a guest's function takes and returns"
accepts "an address as a guest's parameter" '(void)i.func<void(std::uint32_t)>("a");'

# ---- what a call takes, in instructions: the difference of two lengths of a run ----
check "the calls in C compile" $CC -std=c99 -O2 -pthread -I$root/include calls.c -o "$scratch/calls-c" "$library"
check "the calls in C++ compile" $CXX -std=c++17 -O2 -pthread -DCPP -I$root/include -x c++ calls.c -x none -o "$scratch/calls-cpp" "$library"
check "the planted ones compile" $CXX -std=c++17 -O2 -pthread -DCPP -DPLANTED -I$root/include -x c++ calls.c -x none -o "$scratch/calls-planted" "$library"
# valgrind does not know every feature of this CPU.
"$RTWASM" compile -q --cpu baseline --profile plugin guest.wat -o "$scratch/baseline.rtw" || fail "guest.wat for any CPU"
instructions() { # instructions PROGRAM: of one call, times 1000
    for count in 1000 2000; do
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$scratch/$1" "$scratch/baseline.rtw" $count 2>&1 >/dev/null |
            sed -n 's/.*Collected : *//p'
    done | awk 'NR == 1 { first = $1 } NR == 2 { print $1 - first }'
}
in_c=$(instructions calls-c)
in_cpp=$(instructions calls-cpp)
planted=$(instructions calls-planted)
echo "a call takes $(awk "BEGIN { print $in_c / 1000, \"instructions in C,\", $in_cpp / 1000, \"in C++\" }")"
check "the instructions of a call were counted" test "$in_c" -gt 50000
check "a call through the header takes at most 5 % more instructions than in C" test "$((in_cpp * 100))" -le "$((in_c * 105))"
check "a planted allocation would be seen" test "$((planted * 100))" -gt "$((in_c * 105))"

finish
