#!/bin/sh
# Compares the code that the engine's patch releases generate: builds a small compiler with each, has it compile the guests as the
# compiler prepares them with the library's own settings, and compares the files byte for byte with those of the release that the library
# holds. Loads and runs what differs, on this machine and in the emulated one, and compares its results. Then runs a br_table whose
# default is far away, which older releases get wrong. Writes releases.txt, and artifacts/ for `make test`.
# Not part of `make test`: each release takes some CPU minutes.
#   releases.sh [RELEASE ...]     those; otherwise all patch releases of the line
# Environment: RELEASES_ARE_MADE, where the compilers and what they made are there already; INSIDE, what runs a program for aarch64
# (tests/aarch64/in_machine.sh sets it).
cd "$(dirname "$0")/../.." || exit 1
own=$(sed -n 's/.*ENGINE_VERSION: &str = "wasmtime \(.*\)";/\1/p' src/artifact/settings.rs)
releases=${*:-$(seq -f "${own%.*}.%g" 0 "${own##*.}")}
out=target/abi
result=tests/abi/releases.txt
committed=tests/abi/artifacts
rm -rf $out/run
mkdir -p $out/modules $out/run $committed
target/tools/rtwasm prepare-modules $out/modules guests/built/*.wasm || exit 1
# A table has 4 bytes for each target, and a branch across it reaches 1 MiB.
few=65000 many=300000
mkdir -p $out/far
for count in $few $many; do
    python3 tests/abi/far.py $count >$out/far/far$count.wat && target/tools/rtwasm prepare-modules $out/far $out/far/far$count.wat || exit 1
done

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
    rm -rf "$out/far-$1"
    mkdir -p "$out/far-$1"
    for count in $few $many; do
        # The later releases refuse many.
        nice -n 15 "$out/tool-$1" "$out/far-$1" $out/far/far$count.plugin.wasm >"$out/far-$1/far$count.log" 2>&1
    done
}

here=$(uname -m)
runner() { # runner ARCHITECTURE LIBRARIES COMPILER...: what runs an artifact for it
    mkdir -p "$out/run/$1"
    ln -sf "$PWD/$2/librtwasm.so" "$out/run/$1/librtwasm.so.0.1"
    runner=$out/run/$1/run libraries=$2
    shift 2
    "$@" -std=c99 -D_GNU_SOURCE -O1 -Iinclude tests/abi/run.c -o "$runner" "$libraries/librtwasm.so"
}
runner "$here" target/release cc || exit 1
[ -z "$INSIDE" ] || runner aarch64 target/aarch64/aarch64-unknown-linux-gnu/release aarch64-linux-gnu-gcc || exit 1
can_run() { [ -x "$out/run/$1/run" ]; }
results() { # results ARCHITECTURE ARTIFACT: into ARTIFACT.txt
    inside=
    [ "$1" = "$here" ] || inside=$INSIDE
    # shellcheck disable=SC2086 # a list of words
    LD_LIBRARY_PATH=$PWD/$out/run/$1 $inside "$out/run/$1/run" "$2" >"$2.txt"
}

artifact() { # artifact NAME.PROFILE.ARCHITECTURE.LEVEL [MODULE]: compiles that guest by the command
    guest=${1%%.*} profile=${1#*.}
    architecture=${profile#*.} profile=${profile%%.*}
    architecture=${architecture%%.*}
    case $1 in *.v3) level=x86-64-v3 ;; *) level=baseline ;; esac
    target/tools/rtwasm compile -q "${2:-guests/built/$guest.wasm}" -o $out/run/good.rtw --profile "$profile" --cpu $level \
        --target "$architecture-unknown-linux-gnu"
}
runs() { # runs FOLDER NAME [MODULE]: true if the code there has the results of what the command makes of the guest, or of MODULE
    artifact "$2" "$3" || return
    python3 tests/abi/replace.py $out/run/good.rtw "$1/$2.elf" own $out/run/other.rtw || return
    results "$architecture" $out/run/good.rtw && results "$architecture" $out/run/other.rtw && cmp -s $out/run/good.rtw.txt $out/run/other.rtw.txt
}

table() { # table RELEASE ARCHITECTURE COUNT: what becomes of a br_table with so many targets
    name=far$3.plugin.$2.baseline
    if [ ! -f "$out/far-$1/$name.elf" ]; then
        grep -aq 'exceeds the implementation limit' "$out/far-$1/far$3.log" && echo refused || echo "does not compile"
    elif can_run "$2"; then
        runs "$out/far-$1" "$name" $out/far/far$few.wat && echo right || echo wrong
    else
        echo "not run"
    fi
}

[ -n "$RELEASES_ARE_MADE" ] || made "$own"
# The small compiler makes what the command makes: otherwise the comparison says nothing.
artifact "pid.plugin.$here.baseline" || exit 1
python3 tests/abi/replace.py $out/run/good.rtw "$out/out-$own/pid.plugin.$here.baseline.elf" own $out/run/other.rtw
cmp $out/run/good.rtw $out/run/other.rtw || { echo "the small compiler of $own does not make the command's code"; exit 1; }
{
    echo "# What make abi found: for each release and architecture, how many files differ from those of $own, and which. \"Runs\": its code was"
    echo "# loaded and has the same results; \"does not run\": it has not; nothing: there was no machine for it. Then, what became of a br_table."
    for release in $releases; do
        [ "$release" = "$own" ] || [ -n "$RELEASES_ARE_MADE" ] || made "$release" >&2
        for architecture in x86_64 aarch64; do
            all=0
            count=0
            differ=
            sections=
            for file in "$out/out-$own"/*."$architecture".*; do
                name=$(basename "$file" .elf)
                all=$((all + 1))
                cmp -s "$file" "$out/out-$release/$name.elf" && continue
                count=$((count + 1))
                differ="$differ $name"
                sections="$sections $(python3 tests/abi/sections.py "$file" "$out/out-$release/$name.elf")"
                ! can_run $architecture || { runs "$out/out-$release" "$name" && differ="$differ (runs)" || differ="$differ (does not run)"; }
            done
            echo "$release $architecture $count of $all differ${differ:+:}$differ"
            [ -z "$sections" ] || echo "$release $architecture differs in $(echo "$sections" | tr ' ' '\n' | sort -u | xargs)"
            for count in $few $many; do
                echo "$release $architecture br_table of $count targets: $(table "$release" $architecture $count)"
            done
        done
    done
} >"$out/releases.txt" || exit 1
cp "$out/releases.txt" $result
cp guests/built/pid.wasm $committed/ # so that the guest may change
for release in "${own%.*}.0" "$own"; do
    for profile in standalone plugin; do
        name=pid.$profile.x86_64.baseline
        [ -f "$out/out-$release/$name.elf" ] && artifact $name &&
            python3 tests/abi/replace.py $out/run/good.rtw "$out/out-$release/$name.elf" "$release" "$committed/pid.$release.$profile.rtw"
    done
done
cat $result
