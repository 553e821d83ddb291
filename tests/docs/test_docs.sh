#!/bin/sh
# Executes what the documents say: the README's example is compiled and run, its commands are run as shown, and every name in the
# documents is looked up in the tree. The library and the command are built before.
# Environment: RTWASM_PREFIX (where rtwasm is installed; otherwise it is installed below target/ for this).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/docs
. "$root/tests/lib.sh"

docs() { # docs COMMAND...: the helper
    python3 "$root/tests/docs/check_docs.py" "$@"
}

# ---- every name ----

adopt names docs names "$root" "$root" "$RTWASM"

# ---- a readable form ----

adopt prose python3 "$root/tests/docs/prose.py" "$root"
prose=$scratch/prose
plain() { # plain NAME TEXT: whether a file of that name and text would be in the form
    rm -rf "$prose"
    mkdir -p "$prose"
    printf '%b\n' "$2" >"$prose/$1"
    python3 "$root/tests/docs/prose.py" "$prose" "$prose"
}
long=$(printf 'word %.0s' $(seq 40))
refuses "planted: a line that is too long" "doc.md:1: 201 columns" plain doc.md "$long."
refuses "planted: a comment that is too long" "file.rs:2: 204 columns" plain file.rs "fn f() {}\n/// $long"
refuses "planted: a phrase in a document" 'doc.md:2: "by the way": write as a side effect' plain doc.md "It locks nothing\nby the way."
refuses "planted: a phrase in a comment" 'file.c:2: "shall": write' plain file.c "/* How\n * it shall be. */"
refuses "planted: a phrase in a script" 'file.sh:1: "so many": write' plain file.sh "# Waits so many times."
refuses "planted: a comment that needs the one above" 'file.rs:2: "The same with": write' plain file.rs "fn f() {}\n/// The same with a limit."
refuses "planted: a comment that begins with a question word" 'file.rs:2: "Whether": write' plain file.rs "fn f() {}\n/// Whether it is set."
refuses "planted: a passive without an actor" 'file.py:1: "is told": write' plain file.py "# The host is told of it."
refuses "planted: another word for return" 'file.c:1: "answers RTW_": write' plain file.c "/* It answers RTW_OK. */"
refuses "planted: another word for provide" 'doc.md:1: "answers each import": write' plain doc.md "It says who answers each import."
refuses "planted: another word for restore" 'doc.md:1: "puts back": write' plain doc.md "It puts back the mask."
refuses "planted: a limit that is not one" 'file.rs:1: "as far as": write' plain file.rs "// Locks it as far as it may."
check "a table may quote the name of a check" plain doc.md '| kept | \`a.c\` "the host is told" |'
check "a line of a table, of code or of a string may have them" plain doc.md "| $long |\n\n    by the way $long"
check "and what a comment goes on with" plain file.rs "/// Calls it with\n/// The same with a limit.\nlet shall = \"by the way\";"

# ---- the README's example ----

example=$scratch/example
prefix=${RTWASM_PREFIX:-$scratch/prefix}
check "README: there is one example, a short one" docs example "$root/README.md" "$example"
[ -n "${RTWASM_PREFIX:-}" ] || check "rtwasm can be installed for its commands" "$root/packaging/install.sh" "$prefix" ""
pkgconfig=$(dirname "$(find "$prefix" -name rtwasm.pc | head -n 1)")
library=$(dirname "$(find "$prefix" -name librtwasm.so | head -n 1)")

installed() { # installed COMMAND...: as somebody has it who has installed rtwasm there
    (cd "$example" && PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$pkgconfig LD_LIBRARY_PATH=$library "$@")
}

check "README: the commands run as shown" installed sh -eux commands.sh
cp "$scratch/check.log" "$scratch/commands.log"
check "README: the program prints what it should" grep -E '^0\.5, 1000 calls, max [1-9][0-9]* ns$' "$scratch/commands.log"
for compiler in $CC $CLANG; do
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; the warnings are words
    check "README: the example has no warning from $compiler" \
        installed sh -c '"$@" $(pkg-config --cflags --libs rtwasm)' - "$compiler" -std=c99 -O2 $C_WARNINGS gain.c -o "gain-$compiler"
    check "README: the example built with $compiler runs" installed "./gain-$compiler"
done
mkdir -p "$scratch/cmake"
cp "$example/gain.c" "$scratch/cmake"
{
    printf 'cmake_minimum_required(VERSION 3.16)\nproject(gain C)\nset(CMAKE_C_STANDARD 99)\nadd_executable(gain gain.c)\n'
    cat "$example/lines.cmake"
} >"$scratch/cmake/CMakeLists.txt"
check "README: its CMake lines configure" cmake -S "$scratch/cmake" -B "$scratch/cmake/build" -DCMAKE_PREFIX_PATH="$prefix"
check "README: its CMake lines build" cmake --build "$scratch/cmake/build"
check "README: what CMake has built runs" installed "$scratch/cmake/build/gain"

# ---- the first program in C++, with the same guest ----

check "examples-c/cpp: there is a first program" docs programs "$root/examples-c/cpp/README.md" "$example"
for compiler in $CXX $CLANGXX; do
    # shellcheck disable=SC2016,SC2086
    check "examples-c/cpp: the first program has no warning from $compiler" \
        installed sh -c '"$@" $(pkg-config --cflags --libs rtwasm)' - "$compiler" -std=c++17 -O2 $C_WARNINGS gain.cpp -o "gain-$compiler"
    first() { installed "./gain-$compiler" | grep -E '^0\.5, max [1-9][0-9]* ns$'; }
    check "examples-c/cpp: the first program built with $compiler runs" first
done

# ---- the commands of the pages, each in its folder (docs and guests: at the root); what they write goes to the scratch folder ----

docs commands "$root" >"$scratch/commands"
check "the examples' pages show commands" test -s "$scratch/commands"
while IFS="$(printf '\t')" read -r folder arguments; do
    elsewhere=$(echo "$arguments" | sed "s| -o [^ ]*| -o $scratch/shown.rtw|")
    # shellcheck disable=SC2086 # the arguments are words
    check "$folder: rtwasm $arguments" sh -c 'cd "$1" && shift && exec "$@"' - "$root/$folder" "$RTWASM" $elsewhere
done <"$scratch/commands"
check "the templates' page is among them" grep -q "^\.	compile guests/templates/built/" "$scratch/commands"

# ---- the checks can fail: each of these plants one error in a copy of the documents ----

planted=$scratch/planted
plant() { # plant WHAT MESSAGE FILE SED-SCRIPT: the error is found, and said so with MESSAGE
    rm -rf "$planted"
    mkdir -p "$planted"
    (cd "$root" && find . \( -path ./target -o -path ./.git \) -prune -o -name '*.md' -exec cp --parents {} "$planted" \;)
    sed -i "$4" "$planted/$3"
    if cmp -s "$planted/$3" "$root/$3"; then
        fail "planted: $1: $3 has nothing to plant it in"
    else
        refuses "planted: $1" "FAIL $3: $2" docs names "$planted" "$root" "$RTWASM"
    fi
}

plant "a function that is not there" "functions, types and constants are in the headers: not rtw_invoked" README.md s/rtw_invoke/rtw_invoked/
plant "a constant that is not there" "functions, types and constants are in the headers: not RTW_ERR_SIGNALLED" README.md \
    s/RTW_ERR_SIGNALS/RTW_ERR_SIGNALLED/
plant "a make target that is not there" "make targets exist" CONTRIBUTING.md 's/make unit/make units/'
plant "a make target in a sentence" "make targets exist" README.md 's/`make bench`/`make race`/'
plant "a file that is not there" "files and folders exist" docs/design.md 's|src/engine/call.rs|src/engine/calls.rs|'
plant "a file of an example" "files and folders exist" examples-c/audio/README.md 's|`stream.c`|`streams.c`|'
plant "a link that leads nowhere" "links lead somewhere" README.md 's|(docs/design.md)|(docs/designs.md)|'
plant "a heading that is not there" "links lead somewhere" CONTRIBUTING.md 's|#rules-of-the-c-api|#rules-of-the-api|'
plant "an option that the command does not have" "the command has what is shown of it" README.md 's/--profile plugin/--profiles plugin/'
plant "a test that is not there" "every row names a test that is there: not tests/hosts/engine.c" docs/hosts.md \
    's|tests/hosts/engines.c|tests/hosts/engine.c|'
plant "a check that the test does not have" "every row names a test that is there: not tests/hosts/beside.c has no 'a load" docs/hosts.md \
    's/"a load that panics inside/"a load that panics outside/'
plant "a row without a test" "every row names a test that is there: not one copy linked" docs/hosts.md 's/^\(| one copy linked.*|\).*|$/\1 seen |/'
plant "another version of the envelope" "version of the envelope, 1: 5 in src/engine/artifact/mod.rs" docs/artifacts.md \
    's/version of the envelope, [0-9]*/version of the envelope, 1/'
plant "another length of the artifact's header" "The header has 32 bytes: 64 in src/engine/artifact/mod.rs" docs/artifacts.md \
    's/^\(.*The header has \)[0-9]*/\132/'
plant "a figure that the page does not have" "lists the (" docs/workers.md 's/lists the 32 steps/lists some steps/'
plant "a family of statuses that is left out" "the families of statuses are those there are: not -7xx" docs/design.md 's/-7xx/others/'
plant "a folder without a row" "each folder of src has a row: not src/stats" docs/design.md '/^| `src.stats`/d'
plant "a core that misses one" "the first program calls the core, in its order: not rtw_thread_attach" README.md 's/rtw_thread_attach(runtime/attach(runtime/'
plant "a noun without a word" "each noun of the API is among its words: not slot" docs/design.md '/^| slot |/d'
plant "a file that a port touches" "a port touches what it says: not src/rt/unwind.rs" docs/design.md '/^| `src.rt.unwind.rs`/d'
plant "another version" "its first entry is version" CHANGELOG.md 's/^## 0\.1\.0/## 9.9.9/'

wrong=$scratch/wrong
mkdir -p "$wrong"
sed 's/rtw_invoke(gain/rtw_invoked(gain/' "$root/README.md" >"$wrong/README.md"
docs example "$wrong/README.md" "$wrong"
# shellcheck disable=SC2086
refuses "planted: an example that does not compile" rtw_invoked \
    $CC -std=c99 $C_WARNINGS -I"$root/include" -c "$wrong/gain.c" -o "$wrong/gain.o"
sed 's/^`gain.c` calls/The host calls/' "$root/README.md" >"$wrong/README.md"
refuses "planted: an example that is not announced" "not gain.wat, gain.c and one of each" docs example "$wrong/README.md" "$wrong"

finish
