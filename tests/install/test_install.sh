#!/bin/sh
# Installs what has been built, and uses it as somebody would who has never seen this repository: with pkg-config, with CMake,
# with the examples' READMEs; moved elsewhere; and uninstalled again.
# shellcheck disable=SC2086 # lists of words
# shellcheck disable=SC2046
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-install
. "$root/tests/lib.sh"
here=$root/tests/install
LIBDIR_BUILT=$RTWASM_LIBDIR
TOOLS_BUILT=$(dirname "$RTWASM")
export LIBDIR_BUILT TOOLS_BUILT CC CXX
unset MAKEFLAGS MFLAGS MAKELEVEL LD_LIBRARY_PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH
install_to() { "$root/packaging/install.sh" "$@"; }
uninstall_from() { "$root/packaging/uninstall.sh" "$@"; }
files_below() { (cd "$1" && find . ! -type d -printf '%P %m %l\n' | LC_ALL=C sort); }

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
case $version in 0.*) soversion=${version%.*} ;; *) soversion=${version%%.*} ;; esac

# --- install

prefix=$scratch/prefix
check "install" install_to "$prefix"
cat >"$scratch/expected" <<END
bin/rtwasm 755 
include/rtw_dsp.h 644 
include/rtw_guest.h 644 
include/rtwasm.h 644 
include/rtwasm.hpp 644 
include/rtwasm/call.h 644 
include/rtwasm/doctor.h 644 
include/rtwasm/export.h 644 
include/rtwasm/global.h 644 
include/rtwasm/guest.h 644 
include/rtwasm/imports.h 644 
include/rtwasm/instance.h 644 
include/rtwasm/module.h 644 
include/rtwasm/recorder.h 644 
include/rtwasm/runtime.h 644 
include/rtwasm/slot.h 644 
include/rtwasm/stats.h 644 
include/rtwasm/status.h 644 
include/rtwasm/table.h 644 
include/rtwasm/thread.h 644 
include/rtwasm/value.h 644 
include/rtwasm/wasi.h 644 
include/rtwasm/worker.h 644 
include/rtwasm_compiler.h 644 
lib/cmake/rtwasm/rtwasmConfig.cmake 644 
lib/cmake/rtwasm/rtwasmConfigVersion.cmake 644 
lib/librtwasm.a 644 
lib/librtwasm.so 777 librtwasm.so.$soversion
lib/librtwasm.so.$soversion 777 librtwasm.so.$version
lib/librtwasm.so.$version 755 
lib/librtwasm_compiler.so 777 librtwasm_compiler.so.$soversion
lib/librtwasm_compiler.so.$soversion 777 librtwasm_compiler.so.$version
lib/librtwasm_compiler.so.$version 755 
lib/pkgconfig/rtwasm-compiler.pc 644 
lib/pkgconfig/rtwasm-static.pc 644 
lib/pkgconfig/rtwasm.pc 644 
lib/rtwasm/rtwasm_ladspa.so 755 
lib/rtwasm/rtwasm_lv2.so 755 
share/doc/rtwasm/LICENSE 644 
share/doc/rtwasm/THIRD-PARTY.txt 644 
END
same_files() { # same_files FOLDER
    files_below "$1" >"$scratch/installed"
    diff -u "$scratch/expected" "$scratch/installed"
}
check "exactly the files it should be" same_files "$prefix"
check "install with DESTDIR" install_to /opt/rtwasm "$scratch/destdir"
check "the same files, below DESTDIR" same_files "$scratch/destdir/opt/rtwasm"
check "and with the same content" diff -r "$prefix" "$scratch/destdir/opt/rtwasm"
no_template_left() { ! grep -rnE '@[A-Z_]+@' "$prefix/lib/pkgconfig" "$prefix/lib/cmake"; }
check "templates are filled in" no_template_left
knows_no_place() { ! grep -rF -e "$root" -e /opt/rtwasm "$prefix/lib/pkgconfig" "$prefix/lib/cmake"; }
check "no installed text names the place" knows_no_place

# --- licences: what is linked into the binaries may be passed on with them, and the installed text names it

licences() { python3 "$root/packaging/licences.py" "$@"; }
check "every package in the binaries has an allowed licence" licences check
written() { licences write >"$scratch/third-party" && diff -u "$prefix/share/doc/rtwasm/THIRD-PARTY.txt" "$scratch/third-party"; }
check "THIRD-PARTY.txt names them (make licences)" written
for licence in null '"GPL-3.0-only"' '"MIT AND GPL-3.0-only"'; do
    (cd "$root" && cargo metadata --locked --format-version 1) | python3 -c "
import json, sys
told = json.load(sys.stdin)
next(one for one in told['packages'] if one['name'] == 'postcard')['license'] = json.loads(sys.argv[1])
json.dump(told, sys.stdout)" "$licence" >"$scratch/metadata.json"
    refuses "twin: a package with the licence $licence" "postcard" env CARGO_METADATA="$scratch/metadata.json" python3 "$root/packaging/licences.py" check
done
sed -i 's/"MIT AND GPL-3.0-only"/"GPL-3.0-only OR MIT"/' "$scratch/metadata.json"
check "twin: one with a choice is allowed" env CARGO_METADATA="$scratch/metadata.json" python3 "$root/packaging/licences.py" check

refuses "a relative PREFIX is refused" "PREFIX must be absolute" install_to relative/prefix
refuses "too many arguments are refused" usage install_to /a /b /c
mkdir -p "$scratch/not-built"
refuses "what is not built is named" "librtwasm.so is missing: run make lib command first" \
    env LIBDIR_BUILT="$scratch/not-built" "$root/packaging/install.sh" "$scratch/refused"
sed "s/librtwasm\.so\.$soversion/librtwasm.so.9.9/g" "$LIBDIR_BUILT/librtwasm.so" >"$scratch/not-built/librtwasm.so"
cp "$LIBDIR_BUILT/librtwasm.a" "$scratch/not-built/"
refuses "a library of another version is refused" "is not librtwasm.so.$soversion" \
    env LIBDIR_BUILT="$scratch/not-built" "$root/packaging/install.sh" "$scratch/refused"
refuses "then nothing is installed" "No such file" ls "$scratch/refused"

# --- one version everywhere

prints() { # prints TEXT COMMAND...: the command succeeds and its output has the text
    text=$1
    shift
    "$@" >"$scratch/printed" 2>&1 || { cat "$scratch/printed"; return 1; }
    grep -qF -e "$text" "$scratch/printed" || { echo "no '$text' in:"; cat "$scratch/printed"; return 1; }
}
header_version() { awk '/^#define RTW_VERSION_/ { v = v sep $3; sep = "." } END { print v }' "$prefix/include/rtwasm.h"; }
with_pc() { # with_pc COMMAND...: pkg-config finds the installed tree
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig "$@"
}
check "the header says $version" prints "$version" header_version
check "the command says $version" prints "rtwasm $version" "$prefix/bin/rtwasm" --version
for name in rtwasm rtwasm-static rtwasm-compiler; do
    check "pkg-config says $version: $name" prints "$version" with_pc pkg-config --modversion "$name"
done

# --- the consumer, in every way

artifact=$scratch/consumer.rtw
check "the installed command makes an artifact" "$prefix/bin/rtwasm" compile "$here/consumer.wat" -o "$artifact"
answer="rtwasm $version (wasmtime "
sum="40 + 2 = 42"
needs() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
runs() { # runs PROGRAM [ENVIRONMENT...]: it says the library's version and the sum
    consumer=$1
    shift
    prints "$sum" env "$@" "$consumer" "$artifact" && grep -qF "$answer" "$scratch/printed"
}
needs_rtwasm() { needs "$1" | grep -x "librtwasm\.so\.$soversion"; }
bound_at_load() { readelf -dW "$1" | grep -E 'FLAGS.*NOW'; }
needs_nothing() { readelf -lW "$1" >"$scratch/needed" && ! grep -E 'INTERP|DYNAMIC' "$scratch/needed"; }
needs_no_rtwasm() { needs "$1" >"$scratch/needed" && ! grep rtwasm "$scratch/needed"; }

build() { # build OUT LANGUAGE PKG_CONFIG_ARGUMENTS [FLAGS...]
    out=$1
    language=$2
    packages=$3
    shift 3
    case $language in
        c) compile="$CC -std=c99 -x c" ;;
        c++) compile="$CXX -std=c++11 -x c++" ;;
    esac
    # -x is for the source alone: what follows are archives and libraries.
    with_pc pkg-config --cflags --libs $packages >"$scratch/flags" || return
    $compile $C_WARNINGS "$source" -x none "$@" $(cat "$scratch/flags") -o "$out"
}
pkg_config_ways() { # pkg_config_ways WHERE: the tree is in $prefix
    source=$here/consumer.c
    for language in c c++; do
        program=$scratch/$language-$1
        check "pkg-config, $language, $1: builds" build "$program-shared" $language rtwasm
        check "pkg-config, $language, $1: asks for librtwasm.so.$soversion" needs_rtwasm "$program-shared"
        check "pkg-config, $language, $1: is bound when it is loaded" bound_at_load "$program-shared"
        refuses "pkg-config, $language, $1: not found without a path to it" "librtwasm.so.$soversion" "$program-shared" "$artifact"
        check "pkg-config, $language, $1: runs" runs "$program-shared" LD_LIBRARY_PATH="$prefix/lib"
        check "pkg-config, $language, $1: archive: builds" build "$program-archive" $language rtwasm-static
        check "pkg-config, $language, $1: archive: needs no librtwasm.so" needs_no_rtwasm "$program-archive"
        check "pkg-config, $language, $1: archive: runs" runs "$program-archive"
        check "pkg-config --static, $language, $1: builds" build "$program-static" $language "--static rtwasm" -static
        check "pkg-config --static, $language, $1: needs no library and no dynamic linker" needs_nothing "$program-static"
        check "pkg-config --static, $language, $1: runs" runs "$program-static"
    done
    source=$here/compiler_consumer.c
    check "pkg-config, $1: the compiler's library: builds" build "$scratch/c-$1-compiler" c rtwasm-compiler
    check "pkg-config, $1: the compiler's library: runs" \
        prints "artifact: made" env LD_LIBRARY_PATH="$prefix/lib" "$scratch/c-$1-compiler"
}
cmake_with() { # cmake_with BUILD_DIR VERSION_WANTED
    cmake -S "$here" -B "$1" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED_VERSION="$2"
}
cmake_ways() { # cmake_ways WHERE
    tree=$scratch/cmake-$1
    check "CMake, $1: configures" cmake_with "$tree" "$soversion"
    check "CMake, $1: builds" cmake --build "$tree"
    for language in c cpp; do
        check "CMake, $1: $language, shared: asks for librtwasm.so.$soversion" needs_rtwasm "$tree/${language}_rtwasm"
        check "CMake, $1: $language, shared: is bound when it is loaded" bound_at_load "$tree/${language}_rtwasm"
        check "CMake, $1: $language, shared: runs" runs "$tree/${language}_rtwasm"
        check "CMake, $1: $language, static: needs no librtwasm.so" needs_no_rtwasm "$tree/${language}_static"
        check "CMake, $1: $language, static: runs" runs "$tree/${language}_static"
    done
    check "CMake, $1: the compiler's library: runs" prints "artifact: made" "$tree/c_compiler"
}
pkg_config_ways installed
cmake_ways installed
for wanted in "$version" "$version;EXACT"; do
    check "CMake: version $wanted is found" cmake_with "$scratch/cmake-version" "$wanted"
done
for wanted in "$version.1" "${soversion}9" 99; do
    refuses "CMake: version $wanted is not" "considered but not accepted" cmake_with "$scratch/cmake-version" "$wanted"
done

# --- the examples, as their READMEs say, in a copy of the repository's part that they name

mkdir -p "$scratch/repository"
cp -r "$root/examples-c" "$root/assets" "$root/guests" "$scratch/repository/"
readme_commands() { # readme_commands EXAMPLE: the indented block that compiles with pkg-config's answer, and what follows it
    awk '/^    / { block = block substr($0, 5) "\n"; next }
        block ~ /(^|\n)cc .*pkg-config|pkg-config --cflags --libs rtwasm/ && block ~ /(^|\n)cc / { printf "%s", block; exit }
        { block = "" }' "$root/examples-c/$1/README.md"
}
in_example() { # in_example EXAMPLE COMMAND...: in its copied folder, with the installed tree
    cd "$scratch/repository/examples-c/$1" || return
    shift
    PATH=$prefix/bin:$PATH LD_LIBRARY_PATH=$prefix/lib PKG_CONFIG_PATH=$prefix/lib/pkgconfig "$@"
}
as_the_readme_says() { # as_the_readme_says EXAMPLE: with --fast, since nobody listens
    readme_commands "$1" | sed 's#^\./audio #./audio --fast #' >"$scratch/$1.sh"
    grep -q '^cc ' "$scratch/$1.sh" || { echo "README.md: no cc line found"; return 1; }
    (in_example "$1" sh -eu "$scratch/$1.sh")
}
with_its_makefile() { # with_its_makefile EXAMPLE PROGRAM: the README's make line
    line=$(grep -m 1 '^    make RTWASM_CFLAGS=.*pkg-config' "$root/examples-c/$1/README.md") || { echo "README.md: no such line"; return 1; }
    (in_example "$1" sh -euc "$line OUT=out") && needs_rtwasm "$scratch/repository/examples-c/$1/out/$2"
}
check "minimal as its README says, with cc" prints "1000 calls: p50" as_the_readme_says minimal
check "audio as its README says, with cc" prints "whole chain" as_the_readme_says audio
check "control-loop as its README says, with cc" as_the_readme_says control-loop
check "audio has written its output" test -s "$scratch/repository/examples-c/audio/phrase-out.wav"
check "audio as its README says, with make" with_its_makefile audio audio
check "control-loop as its README says, with make" with_its_makefile control-loop control_loop

# --- moved as a whole; pkg-config's answer to a shell cannot have spaces in it, CMake's can

mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
pkg_config_ways moved
mv "$prefix" "$scratch/moved again"
prefix="$scratch/moved again"
cmake_ways moved

# --- uninstalled

check "uninstall" uninstall_from "$prefix"
refuses "it leaves nothing" "No such file" ls "$prefix"
check "uninstall from DESTDIR" uninstall_from /opt/rtwasm "$scratch/destdir"
refuses "it leaves nothing below DESTDIR" "No such file" ls "$scratch/destdir/opt/rtwasm"
check "install to the default, /usr/local, below DESTDIR" install_to "" "$scratch/destdir"
check "the same files there" same_files "$scratch/destdir/usr/local"
check "uninstall from there" uninstall_from "" "$scratch/destdir"
refuses "it leaves nothing there" "No such file" ls "$scratch/destdir/usr/local"
check "install for the next" install_to "$prefix"
echo mine >"$prefix/lib/somebody-elses"
touch "$prefix/lib/librtwasm.so.$soversion.earlier"
check "uninstall beside somebody else's file" uninstall_from "$prefix"
echo "lib/somebody-elses 644 " >"$scratch/expected"
check "which is all that is left" same_files "$prefix"
check "uninstalling what is not there does nothing" uninstall_from "$scratch/never-installed"

finish
