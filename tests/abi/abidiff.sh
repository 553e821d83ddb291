#!/bin/sh
# Prints the changes of the ABI since a commit: `abidiff.sh [COMMIT]`, HEAD by default. Compares the headers, of which it makes libraries of
# stubs with debug information, since what is shipped has none; that the shipped library is as its header says is tested elsewhere.
# Prints abidiff's report and has its status: 0 without a difference. OLD= and NEW= are folders with headers to compare instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
commit=${1:-HEAD}
export PYTHONDONTWRITEBYTECODE=1

if [ -z "${OLD:-}" ]; then
    OLD=$scratch/old
    git -C "$root" archive "$commit" include | tar -x -C "$scratch"
    mv "$scratch/include" "$OLD"
fi
stubs() { # stubs FOLDER NAME OUT
    python3 "$here/stubs.py" "$1/$2.h" >"$scratch/$2.c"
    "${CC:-gcc}" -std=c11 -g -w -shared -fPIC -I"$1" "$scratch/$2.c" -o "$3"
}
status=0
for name in rtwasm rtwasm_compiler; do
    stubs "$OLD" $name "$scratch/old-$name.so"
    stubs "${NEW:-$root/include}" $name "$scratch/lib$name.so"
    echo "$name:"
    abidiff --no-default-suppression "$scratch/old-$name.so" "$scratch/lib$name.so" || status=$?
done
exit $status
