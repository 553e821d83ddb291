#!/bin/sh
# Provides the tools that guests/templates/Makefile names: tools.sh prints its arguments, one a line, for the tools that are there.
# A tool that is installed is taken. Others are fetched below target/toolchains/ once, without being installed: a second clang, or a
# wasm-opt in the PATH, would change what other guests' builds make. Each tool that is missing is named on stderr.
#   tools.sh FOLDER    FOLDER: where the tools are kept
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1/bin"
folder=$(cd "$1" && pwd)
debian=$folder/debian
ZIG_VERSION=0.17.1
python=$root/target/python/bin/python # of tests/packages.sh: the system's Python has no pip
[ -x "$python" ] || python=python3
leave_out='--exclude=*/doc/* --exclude=*/lto* --exclude=*/thinlto* --exclude=*/pic --exclude=*/rustlib/wasm32-wasi --exclude=lib*-mt*.a'

absent() { # absent TOOL WHY
    echo "$1: $2" >&2
}

# unpacked NAME PACKAGE...: Debian's packages, unpacked below $debian without what the templates do not need.
unpacked() {
    name=$1
    shift
    [ ! -e "$debian/$name.done" ] || return 0
    rm -rf "$folder/download"
    mkdir -p "$debian" "$folder/download"
    (
        cd "$folder/download" || exit 1
        apt-get download -q "$@" || { apt-get update -q && apt-get download -q "$@"; } || exit 1
        for package in *.deb; do
            # shellcheck disable=SC2086 # a list of words
            dpkg-deb --fsys-tarfile "$package" | tar x -C "$debian" $leave_out || exit 1
        done
    ) >"$folder/$name.log" 2>&1 && touch "$debian/$name.done"
    result=$?
    rm -rf "$folder/download"
    return $result
}

# wrapper NAME COMMAND...: a command in $folder/bin that alone sees what is unpacked.
wrapper() {
    name=$1
    shift
    cat >"$folder/bin/$name" <<EOF
#!/bin/sh
PATH=$debian/usr/bin:\$PATH
LD_LIBRARY_PATH=$debian/usr/lib/x86_64-linux-gnu
export PATH LD_LIBRARY_PATH
exec $* "\$@"
EOF
    chmod +x "$folder/bin/$name"
}
on_debian() { command -v apt-get >/dev/null && [ "$(dpkg --print-architecture)" = amd64 ]; }

if command -v clang-19 >/dev/null && command -v wasm-ld-19 >/dev/null; then
    echo CLANG=clang-19
    if [ -e /usr/include/wasm32-wasi/c++/v1/array ]; then
        echo LIBCXX=
    elif on_debian && unpacked libcxx libc++-19-dev-wasm32 libc++abi-19-dev-wasm32; then
        echo "LIBCXX=-isystem $debian/usr/include/wasm32-wasi/c++/v1 -L$debian/usr/lib/wasm32-wasi"
    else
        absent LIBCXX "the packages libc++-19-dev-wasm32 and libc++abi-19-dev-wasm32 are not available"
    fi
else
    absent CLANG "the packages clang-19 and lld-19 are not installed"
fi

if command -v zig >/dev/null; then
    echo ZIG=zig
elif [ -e "$folder/zig-$ZIG_VERSION/ziglang/zig" ] ||
    "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$folder/zig-$ZIG_VERSION" "ziglang==$ZIG_VERSION" \
        >"$folder/zig.log" 2>&1; then
    echo "ZIG=$folder/zig-$ZIG_VERSION/ziglang/zig"
else
    absent ZIG "it is not installed, and ziglang $ZIG_VERSION cannot be fetched from PyPI"
fi

asc=$root/target/npm/node_modules/.bin/asc
if command -v asc >/dev/null; then
    echo ASC=asc
elif command -v npm >/dev/null && make -s -C "$root/tests/capi/guests" ../../../target/npm/node_modules/.bin/asc \
    >"$folder/asc.log" 2>&1; then
    echo "ASC=$asc"
else
    absent ASC "it is not installed, and assemblyscript cannot be fetched from npm"
fi

if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; then
    echo RUSTC=rustc
elif on_debian && unpacked rust rustc libstd-rust-1.63 libstd-rust-dev-wasm32 lld-14 libllvm14; then
    wrapper rustc "$debian/usr/bin/rustc"
    echo "RUSTC=$folder/bin/rustc"
else
    absent RUSTC "no rustc has the target wasm32-unknown-unknown (rustup target add), nor can Debian's libstd-rust-dev-wasm32 be fetched"
fi

if command -v emcc >/dev/null; then
    echo EMCC=emcc
elif on_debian && command -v node >/dev/null && unpacked emscripten emscripten binaryen clang-14 lld-14 llvm-14 libllvm14 libclang-cpp14 \
    libclang-common-14-dev libclang1-14 node-acorn node-xtend; then
    sed "s|'/usr/bin/node'|'node'|; s|'/usr|'$debian/usr|" "$debian/usr/share/emscripten/.emscripten" >"$folder/emscripten-config"
    wrapper emcc "env EM_CONFIG=$folder/emscripten-config EMCC_SKIP_SANITY_CHECK=1 python3 $debian/usr/share/emscripten/emcc.py"
    echo "EMCC=$folder/bin/emcc"
else
    absent EMCC "it is not installed, and Debian's package emscripten cannot be fetched"
fi

if command -v faust >/dev/null; then echo FAUST=faust; else absent FAUST "the package faust is not installed"; fi
