#!/bin/sh
# Compares the code that the engine's patch releases generate: builds a small compiler with each, has it compile the guests with the
# library's own settings, and compares the files byte for byte with those of the release that the library holds. Writes releases.txt.
# Not part of `make test`: each release takes about five CPU minutes.
#   releases.sh [RELEASE ...]     those; otherwise all patch releases of the line
cd "$(dirname "$0")/../.." || exit 1
own=$(sed -n 's/.*ENGINE_VERSION: &str = "wasmtime \(.*\)";/\1/p' src/artifact/settings.rs)
releases=${*:-$(seq -f "${own%.*}.%g" 0 "${own##*.}")}
out=target/abi
result=tests/abi/releases.txt

tool() { # tool RELEASE: builds its compiler, unless it is there
    [ -x "$out/tool-$1" ] && return
    mkdir -p "$out/$1"
    sed "s/RELEASE/$1/" tests/abi/releases/Cargo.toml >"$out/$1/Cargo.toml"
    ln -sfn ../../../tests/abi/releases/src "$out/$1/src"
    # One folder for all releases: what they share is built once.
    (unset RUSTFLAGS && cd "$out/$1" && CARGO_TARGET_DIR=../target nice -n 15 cargo build -q) || exit 1
    cp $out/target/debug/rtwasm-releases "$out/tool-$1"
}

made() { # made RELEASE: compiles the guests with it
    tool "$1" || exit 1
    rm -rf "$out/out-$1"
    mkdir -p "$out/out-$1"
    nice -n 15 "$out/tool-$1" "$out/out-$1" guests/built/*.wasm || exit 1
}

made "$own"
{
    echo "# What make abi found: for each release and architecture, how many files differ from those of $own, and which."
    for release in $releases; do
        [ "$release" = "$own" ] || made "$release" >&2
        for architecture in x86_64 aarch64; do
            all=0
            differ=
            for file in "$out/out-$own"/*."$architecture".*; do
                name=$(basename "$file" .elf)
                all=$((all + 1))
                cmp -s "$file" "$out/out-$release/$name.elf" || differ="$differ $name"
            done
            # shellcheck disable=SC2086 # a list of names
            set -- $differ
            echo "$release $architecture $# of $all differ${differ:+:}$differ"
        done
    done
} >"$out/releases.txt" || exit 1
cp "$out/releases.txt" $result
cat $result
