#!/bin/sh
# Compares the code that the engine's patch releases generate: builds a small compiler with each, has it compile the guests as the
# compiler prepares them with the library's own settings, and compares the files byte for byte with those of the release that the library
# holds. Loads and runs what differs on this machine's architecture, and compares its results. Writes releases.txt, and artifacts/ for
# `make test`.
# Not part of `make test`: each release takes some CPU minutes.
#   releases.sh [RELEASE ...]     those; otherwise all patch releases of the line
cd "$(dirname "$0")/../.." || exit 1
own=$(sed -n 's/.*ENGINE_VERSION: &str = "wasmtime \(.*\)";/\1/p' src/artifact/settings.rs)
releases=${*:-$(seq -f "${own%.*}.%g" 0 "${own##*.}")}
out=target/abi
result=tests/abi/releases.txt
committed=tests/abi/artifacts
mkdir -p $out/modules $out/run $committed
target/tools/rtwasm prepare-modules $out/modules guests/built/*.wasm || exit 1

made() { # made RELEASE: builds its compiler and compiles the modules with it
    mkdir -p "$out/$1"
    sed "s/RELEASE/$1/" tests/abi/releases/Cargo.toml >"$out/$1/Cargo.toml"
    ln -sfn ../../../tests/abi/releases/src "$out/$1/src"
    # One folder for all releases: what they share is built once.
    (unset RUSTFLAGS && cd "$out/$1" && CARGO_TARGET_DIR=../target nice -n 15 cargo build -q) || exit 1
    cp $out/target/debug/rtwasm-releases "$out/tool-$1"
    rm -rf "$out/out-$1"
    mkdir -p "$out/out-$1"
    nice -n 15 "$out/tool-$1" "$out/out-$1" $out/modules/*.wasm || exit 1
}

cc -std=c99 -D_GNU_SOURCE -O1 -Iinclude tests/abi/run.c -o $out/run/run target/release/librtwasm.so -Wl,-rpath,"$PWD/target/release" || exit 1
ln -sf "$PWD/target/release/librtwasm.so" $out/run/librtwasm.so.0.1

artifact() { # artifact NAME.PROFILE.ARCHITECTURE.LEVEL: compiles that guest by the command
    guest=${1%%.*} rest=${1#*.}
    case $1 in *.v3) level=x86-64-v3 ;; *) level=baseline ;; esac
    target/tools/rtwasm compile -q "guests/built/$guest.wasm" -o $out/run/good.rtw --profile "${rest%%.*}" --cpu $level
}
runs() { # runs RELEASE NAME: true if its code has the results of the pinned release's
    artifact "$2" || return
    python3 tests/abi/replace.py $out/run/good.rtw "$out/out-$1/$2.elf" own $out/run/other.rtw || return
    LD_LIBRARY_PATH=$out/run $out/run/run $out/run/good.rtw >$out/run/good.txt || return
    LD_LIBRARY_PATH=$out/run $out/run/run $out/run/other.rtw >$out/run/other.txt && cmp -s $out/run/good.txt $out/run/other.txt
}

here=$(uname -m)
[ -n "$RELEASES_ARE_MADE" ] || made "$own"
# The small compiler makes what the command makes: otherwise the comparison says nothing.
artifact "pid.plugin.$here.baseline" || exit 1
python3 tests/abi/replace.py $out/run/good.rtw "$out/out-$own/pid.plugin.$here.baseline.elf" own $out/run/other.rtw
cmp $out/run/good.rtw $out/run/other.rtw || { echo "the small compiler of $own does not make the command's code"; exit 1; }
{
    echo "# What make abi found: for each release and architecture, how many files differ from those of $own, and which. \"Runs\": its code was"
    echo "# loaded and has the same results; \"does not run\": it has not; nothing: it is of another architecture than the machine that compared."
    for release in $releases; do
        [ "$release" = "$own" ] || [ -n "$RELEASES_ARE_MADE" ] || made "$release" >&2
        for architecture in x86_64 aarch64; do
            all=0
            count=0
            differ=
            for file in "$out/out-$own"/*."$architecture".*; do
                name=$(basename "$file" .elf)
                all=$((all + 1))
                cmp -s "$file" "$out/out-$release/$name.elf" && continue
                count=$((count + 1))
                differ="$differ $name"
                [ $architecture != "$here" ] || { runs "$release" "$name" && differ="$differ (runs)" || differ="$differ (does not run)"; }
            done
            echo "$release $architecture $count of $all differ${differ:+:}$differ"
        done
    done
} >"$out/releases.txt" || exit 1
cp "$out/releases.txt" $result
for release in "${own%.*}.0" "$own"; do
    for profile in standalone plugin; do
        name=pid.$profile.x86_64.baseline
        [ -f "$out/out-$release/$name.elf" ] && artifact $name &&
            python3 tests/abi/replace.py $out/run/good.rtw "$out/out-$release/$name.elf" "$release" "$committed/pid.$release.$profile.rtw"
    done
done
cat $result
