#!/bin/sh
# Modules from npm, as they are, driven through the C API in both profiles, with a check of what they compute. packages.txt pins versions
# and hashes; the packages are kept below target/npm-modules. A package that cannot be fetched is skipped by name.
#   test_npm.sh [NAME ...]    only those of packages.txt
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/npm
. ../lib.sh
use_uninstalled_library
here=$(pwd)
build=$scratch/build
kept=$root/target/npm-modules
mkdir -p "$build" "$kept"
kept=$(realpath "$kept")
wanted=" $* "

# shellcheck disable=SC2086 # lists of words
check "the host compiles" $CC -std=gnu99 $C_WARNINGS -O2 -I$root/include -pthread guest.c audio.c modules.c $harness \
    -o "$build/host" "$RTWASM_LIBDIR/librtwasm.so" -lm
[ "$failed" -eq 0 ] || { finish; exit 1; }

retries=1
has_hash() { # has_hash FILE INTEGRITY
    found=sha512-$(python3 -c 'import base64, hashlib, sys
print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' "$1")
    [ "$found" = "$2" ] || { echo "the archive has $found"; return 1; }
}
# fetched NAME PACKAGE: the archive of a package, in the folder of what is kept.
fetched() {
    [ ! -s "$kept/$1.tgz" ] || return 0
    command -v npm >"$scratch/npm.path" || {
        echo "there is no npm" >"$scratch/npm.log"
        return 1
    }
    rm -rf "$scratch/pack"
    mkdir -p "$scratch/pack"
    if ! npm pack --loglevel error --fetch-retries $retries --pack-destination "$scratch/pack" "$2" >"$scratch/npm.log" 2>&1; then
        retries=0 # of the packages that follow
        return 1
    fi
    mv "$scratch/pack/"*.tgz "$kept/$1.tgz"
}

while IFS='|' read -r module package integrity file; do
    case $module in "#"*) continue ;; esac
    case "$wanted" in "  " | *" $module "*) ;; *) continue ;; esac
    if ! fetched "$module" "$package"; then
        skip "$package: it cannot be fetched: $(head -n 1 "$scratch/npm.log")"
        continue
    fi
    check "$package has its hash" has_hash "$kept/$module.tgz" "$integrity"
    rm -rf "${kept:?}/$module"
    mkdir -p "$kept/$module"
    tar xzf "$kept/$module.tgz" -C "$kept/$module" --strip-components 1
    if [ "$module" = rapier ]; then
        command -v node >"$scratch/node.path" || { skip "$package: there is no node to compare with"; continue; }
        check "$package runs in Node" node "$here/rapier.cjs" "$kept/$module" "$build/rapier.expected"
    fi
    for profile in standalone plugin; do
        check "$module compiles for $profile" "$RTWASM" compile -q --profile $profile "$kept/$module/$file" -o "$build/$module.$profile.rtw"
        adopt "$module $profile" "$build/host" $profile "$build" "$module" "$scratch/rows"
    done
    if [ "$module" = rnnoise ]; then
        # docs/toolchains.md shows the commands with what they find in this module.
        shown() { grep -qF "$("$@")" $root/docs/toolchains.md; }
        check "the page's command finds the imports" shown grep -o 'wasmImports={[^}]*}' "$kept/rnnoise/rnnoise.js"
        check "and the exports" shown grep -o -m 1 '_rnnoise_create"\]=wasmExports\["[A-Za-z]*"\]' "$kept/rnnoise/rnnoise.js"
    fi
    if [ "$module" = opus ]; then
        refuses "twin: an import that nobody provides is named when the guest calls it" 'an import that was not provided: "a" "t"' \
            env UNANSWERED=1 "$build/host" standalone "$build" "$module" "$scratch/unanswered"
    fi
done <packages.txt
if [ ! -s "$scratch/rows" ]; then
    ok "all packages are skipped by name"
    finish
    exit
fi
sed -n 's/^\([^#|]*\)|\(@*[^@|]*@[^|]*\)|.*/\1|`\2`/p' packages.txt >"$scratch/names"
check "the profiles agree" python3 $support/table.py make "$scratch/rows" "$scratch/names" "$scratch/table.md"
check "the documented table is this one" python3 $support/table.py same "$scratch/table.md" $root/docs/modules.md
first=$(find "$kept" -name '*.tgz' | head -n 1)
cp "$first" "$scratch/planted.tgz"
echo >>"$scratch/planted.tgz"
right=$(sed -n "s/^$(basename "$first" .tgz)|[^|]*|\([^|]*\)|.*/\1/p" packages.txt)
refuses "twin: an archive with another hash is found" "the archive has sha512-" has_hash "$scratch/planted.tgz" "$right"
finish
