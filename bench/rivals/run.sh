#!/bin/sh
# Builds the programs of the comparison, one a rival, and what each runs; then runs them in turn (rivals.py). The figures and the page that
# page.py writes of them go to target/bench/rivals. A rival that cannot be had is left out by name.
# Needs clang-19 and wasm-ld-19 for the guests.
#   ROUNDS    default 31; 2: short ones, for a look at whether all works
#   RIVALS    the folder, instead of target/bench/rivals
#   OPTIONAL  rivals that are built from their crates: any of spacewasm and wasmer, which takes some minutes
#   WASMTIME  the stock engine's shared library, instead of that of PyPI's package `wasmtime`
#   WASMER    Wasmer's shared library, instead of one that is built
#   UPDATE    1: the figures become bench/rivals/figures.json, and the page docs/performance.md
set -eu
cd "$(dirname "$0")/../.."
out=${RIVALS:-target/bench/rivals}
RTWASM=${RTWASM:-target/tools/rtwasm}
libraries=$(realpath "${RTWASM_LIBDIR:-target/release}")
mkdir -p $out $out/scalar $out/native $out/native-march $out/wasm2c $out/rtwasm $out/wasmtime-c $out/wasm-h $out/wasmer-c
CLANG=${CLANG:-clang-19}
WASM_LD=${WASM_LD:-wasm-ld-19}
for tool in "$CLANG" "$WASM_LD"; do
    command -v "$tool" >/dev/null || { echo "bench-rivals compiles its guests, and needs $tool (Debian: clang-19, lld-19)" >&2; exit 1; }
done
: >$out/left-out
leave_out() { # leave_out RIVAL WHY
    echo "$1 is left out: $2" >&2
    printf '%s\t%s\n' "$1" "$2" >>$out/left-out
}

# ---- guests: each as WebAssembly with SIMD and without; and as a library for this machine, with vectors as wide as WebAssembly's and
# with its own
# Without the empty loop: compilers of C see that it does nothing.
kernels=$(sed -n 's/^KERNELS := //p' guests/kernels/guest.mk | sed "s/ empty_loop//")
own="kalman quicksort bytecode"
sizes="tiny:0 small:1 code64k:42 code1m:751"
guests="$kernels $own calls $(echo $sizes | sed 's/:[0-9]*//g')"
C="-std=c99 -O3 -ffp-contract=off -fno-ident"
is_newer() { # is_newer FILE THAN...
    file=$1
    shift
    for than; do [ "$file" -nt "$than" ] || return 1; done
}
# shellcheck disable=SC2086 # lists of words
compile_native() { # compile_native NAME SOURCE OPTION...
    name=$1
    source=$2
    shift 2
    for variant in native: native-march:-march=native; do
        "$CLANG" $C ${variant#*:} "$@" -Wno-unknown-attributes -Wno-ignored-attributes -fPIC -shared "$source" -o $out/"${variant%:*}/$name".so
    done
}
# shellcheck disable=SC2086
compile_guest() { # compile_guest NAME SOURCE OPTION...: what is up to date stays
    ! is_newer $out/native-march/"$1".so "$2" bench/rivals/run.sh guests/kernels/kernel.h || return 0
    name=$1
    source=$2
    shift 2
    for variant in .:-msimd128 scalar:; do
        "$CLANG" --target=wasm32-wasi $C ${variant#*:} "$@" -c "$source" -o $out/guest.o
        "$WASM_LD" --no-entry --stack-first -z stack-size=16384 --gc-sections --strip-debug --initial-memory=65536 --max-memory=65536 \
            $out/guest.o -o $out/"${variant%:*}/$name".wasm
    done
    compile_native "$name" "$source" "$@"
}
for name in $kernels; do
    [ "$name" = gain ] && one_by_one=-fno-slp-vectorize || one_by_one=
    compile_guest "$name" guests/kernels/"$name".c -mllvm -disable-lsr $one_by_one
done
for name in $own calls; do compile_guest "$name" bench/rivals/guests/"$name".c; done
for size in $sizes; do
    name=${size%:*}
    ! is_newer $out/native-march/"$name".so bench/rivals/run.sh bench/rivals/guest.py || continue
    python3 bench/rivals/guest.py "${size#*:}" $out/"$name".wasm
    cp $out/"$name".wasm $out/scalar
    python3 bench/rivals/guest.py "${size#*:}" $out/"$name".c
    compile_native "$name" $out/"$name".c
done

# ---- programs
flags="-std=gnu11 -D_GNU_SOURCE -O2 -flto -Wall -Wextra -Wpedantic -Werror -Iinclude -Ibench/rivals"
# shellcheck disable=SC2086 # lists of words
compile() { "${CC:-cc}" $flags "$@" -ldl -pthread; }
subject() { # subject NAME PROGRAM ARTIFACTS ABOUT LIBRARY ONLY [ARGUMENT...]: see rivals.py
    { printf '%s\t' "$@" && echo; } >>$out/subjects
}
: >$out/subjects
compile bench/rivals/start.c -o $out/start
"${CC:-cc}" -O2 -shared -fPIC bench/rivals/counter.c -o $out/counter.so
compile bench/rivals/rival.c bench/rivals/native.c -rdynamic -o $out/native-program
vector=$([ "$(uname -m)" = x86_64 ] && echo "SSE2" || echo "128-bit vectors")
subject "native" native-program "native/%.so" "$("$CLANG" --version | head -n 1), -O3, $vector as in WebAssembly" - -
subject "native, this CPU" native-program "native-march/%.so" "the same with -march=native" - -

if stock=$(bench/stock.sh 2>$out/stock.log); then
    stock=$(realpath "$stock")
    version=$(sed -n 's/^STOCK=//p' bench/stock.sh)
    [ -z "${WASMTIME:-}" ] || version=$(basename "$WASMTIME")
    compile bench/rivals/rival.c bench/rivals/wasmtime.c "$stock" -Wl,-rpath,"$(dirname "$stock")" -o $out/wasmtime-program
    compile bench/rivals/rival.c bench/rivals/wasm_h.c "$stock" -Wl,-rpath,"$(dirname "$stock")" -o $out/wasm-h-program
    for guest in $guests; do
        [ $out/wasmtime-c/"$guest".cwasm -nt $out/"$guest".wasm ] && continue
        $out/wasmtime-program compile $out/"$guest".wasm $out/wasmtime-c/"$guest".cwasm
        $out/wasm-h-program compile $out/"$guest".wasm $out/wasm-h/"$guest".cwasm
    done
    subject "Wasmtime's C API" wasmtime-program "wasmtime-c/%.cwasm" "Wasmtime $version, defaults, unchecked calls" "$stock" -
    subject "Wasmtime by wasm.h" wasm-h-program "wasm-h/%.cwasm" "Wasmtime $version by the engines' common C API, whose calls are checked" "$stock" -
else
    leave_out "Wasmtime's C API" "$(cat $out/stock.log)"
fi

compile bench/rivals/rival.c bench/rivals/rtwasm.c -o $out/rtwasm-program "$libraries/librtwasm.so" -Wl,-rpath,"$libraries"
rm -f $out/release.key $out/release.pub
"$RTWASM" keygen $out/release >/dev/null
for guest in $guests; do
    "$RTWASM" compile --quiet $out/"$guest".wasm -o $out/rtwasm/"$guest".rtw
    "$RTWASM" compile --quiet --profile plugin $out/"$guest".wasm -o $out/rtwasm/"$guest".plugin.rtw
    "$RTWASM" compile --quiet --budget off $out/"$guest".wasm -o $out/rtwasm/"$guest".bare.rtw
    "$RTWASM" sign $out/rtwasm/"$guest".rtw -o $out/rtwasm/"$guest".signed.rtw --key $out/release.key >/dev/null
done
typed=target/${TYPED_FUNC:-bench-host}/librtwasm_typed_func.a
engine=$(sed -n '/^name = "wasmtime"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
if [ -e "$typed" ]; then
    # Optimised at link time, the common part would keep its own functions instead of the archive's.
    compile -fno-lto bench/rivals/rival.c "$typed" -lm -o $out/typed-program
    subject "TypedFunc" typed-program "rtwasm/%.bare.rtw" "Wasmtime $engine from Rust, with rtwasm's settings, without a budget" - -
else
    leave_out "TypedFunc" "$typed is not built"
fi
library=$libraries/librtwasm.so
after_traps="instance-trap allocations-trap"
version=$(git rev-parse --short=12 HEAD 2>/dev/null || sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
subject "rtwasm" rtwasm-program "rtwasm/%.rtw" "rtwasm $version, standalone profile, compiled for this CPU, with statistics" "$library" -
subject "rtwasm, no statistics" rtwasm-program "rtwasm/%.rtw" "the same without statistics" "$library" - no-statistics
subject "rtwasm, plugin" rtwasm-program "rtwasm/%.plugin.rtw" "the same in the plugin profile" "$library" - plugin no-statistics
subject "rtwasm, stateless" rtwasm-program "rtwasm/%.rtw" "goes on after a trap without a reset; with statistics" "$library" "$after_traps" stateless
subject "rtwasm, plugin, stateless" rtwasm-program "rtwasm/%.plugin.rtw" "this in the plugin profile" "$library" "$after_traps" plugin stateless
subject "rtwasm, signed" rtwasm-program "rtwasm/%.signed.rtw" "with statistics and one trusted key" "$library" load key=$out/release.pub

if ! command -v wasm2c >/dev/null; then
    leave_out "wasm2c" "wasm2c is not there (Debian: wabt)"
elif [ "$(wasm2c --version)" != 1.0.32 ]; then
    leave_out "wasm2c" "wasm2c $(wasm2c --version) names things otherwise than 1.0.32, which is known here"
else
    runtime=/usr/share/wabt/wasm2c
    "${CC:-cc}" -O2 -c $runtime/wasm-rt-impl.c -I$runtime -o $out/wasm2c/runtime.o
    compile -I$runtime bench/rivals/rival.c bench/rivals/wasm2c.c $out/wasm2c/runtime.o -rdynamic -lm -o $out/wasm2c-program
    for guest in $guests; do
        [ $out/wasm2c/"$guest".so -nt $out/scalar/"$guest".wasm ] && continue
        wasm2c -n m $out/scalar/"$guest".wasm -o $out/wasm2c/"$guest".c
        [ "$guest" = calls ] && imports=-DGUEST_IMPORTS || imports=
        "${CC:-cc}" -O2 -w $imports -DGUEST="\"$guest.h\"" -I$out/wasm2c -shared -fPIC $out/wasm2c/"$guest".c bench/rivals/wasm2c_guest.c \
            -lm -o $out/wasm2c/"$guest".so
    done
    subject "wasm2c, no SIMD" wasm2c-program "wasm2c/%.so" "wasm2c 1.0.32, of guests without SIMD, which it does not know; $("${CC:-cc}" --version | head -n 1), -O2" - -
fi

# ---- rivals from crates
crate() { # crate NAME VERSION [FEATURES]: the static library, in $out/NAME
    folder=$out/crates/$1
    mkdir -p "$folder/src"
    echo '#![no_std]' >"$folder/src/lib.rs"
    cat >"$folder/Cargo.toml" <<END
[package]
name = "rival"
version = "0.0.0"
edition = "2024"
[dependencies]
$1 = { version = "=$2"${3:+, default-features = false, features = [$3]} }
[workspace]
[profile.release]
codegen-units = ${UNITS:-16}
panic = "${PANIC:-unwind}"
END
    (cd "$folder" && CARGO_TARGET_DIR=target cargo build --release -p "$1" >log 2>&1)
}
wants() { case " ${OPTIONAL:-} " in *" $1 "*) ;; *) return 1 ;; esac; }

if ! wants spacewasm; then
    leave_out "spacewasm" "build with \`OPTIONAL=spacewasm\`"
else
    if PANIC=abort UNITS=1 crate spacewasm_c_api 0.7.1 '"provide-panic-handler"'; then
        built=$out/crates/spacewasm_c_api
        headers=$(cd $built && cargo metadata --format-version 1 | python3 -c '
import json, os, sys
found = [p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "spacewasm_c_api"]
print(os.path.join(os.path.dirname(found[0]), "include"))')
        compile -Wno-pedantic -isystem "$headers" bench/rivals/rival.c bench/rivals/spacewasm.c $built/target/release/libspacewasm_c_api.a \
            -lm -o $out/spacewasm-program
        subject "spacewasm, no SIMD" spacewasm-program "scalar/%.wasm" "an interpreter, spacewasm 0.7.1, of guests without SIMD, which it does not know" - -
    else
        leave_out "spacewasm" "its crate cannot be built ($out/crates/spacewasm_c_api/log)"
    fi
fi

wasmer=${WASMER:-}
if [ -z "$wasmer" ] && wants wasmer; then
    crate wasmer-c-api 7.4.2 '"sys-default", "cranelift", "compiler", "wasmer-artifact-load", "wasmer-artifact-create"' &&
        wasmer=$out/crates/wasmer-c-api/target/release/libwasmer.so || leave_out "Wasmer" "its crate cannot be built ($out/crates/wasmer-c-api/log)"
elif [ -z "$wasmer" ]; then
    leave_out "Wasmer" "build with \`OPTIONAL=wasmer\`"
fi
if [ -n "$wasmer" ]; then
    wasmer=$(realpath "$wasmer")
    compile bench/rivals/rival.c bench/rivals/wasm_h.c "$wasmer" -Wl,-rpath,"$(dirname "$wasmer")" -o $out/wasmer-program
    for guest in $guests; do
        [ $out/wasmer-c/"$guest".wasmu -nt $out/"$guest".wasm ] || $out/wasmer-program compile $out/"$guest".wasm $out/wasmer-c/"$guest".wasmu
    done
    subject "Wasmer" wasmer-program "wasmer-c/%.wasmu" "Wasmer's C API 7.4.2, Cranelift" "$wasmer" -
fi

python3 bench/rivals/rivals.py run $out "${ROUNDS:-31}" $kernels $own
python3 bench/rivals/page.py $out/figures.json $out
if [ -n "${UPDATE:-}" ]; then
    cp $out/figures.json bench/rivals/figures.json
    python3 bench/rivals/page.py bench/rivals/figures.json docs
fi
