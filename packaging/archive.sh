#!/bin/sh
# Makes of Rust's static library one whose only global symbols are the C API's: archive.sh FROM TO. Every Rust static library
# brings the standard library along, under the same names, so that as they come no two of them can be linked into one program.
#   LD, OBJCOPY, AR  binutils' or LLVM's
#   LINK_CC          the C compiler for the library's processor
set -eu
from=$1
to=$2
[ -f "$from" ] || { echo "archive.sh: $from is missing" >&2; exit 1; }
folder=$(mktemp -d "$to.XXXXXX")
trap 'rm -rf "$folder"' EXIT
# One object, so that what is local can still be reached by the other members; groups are dissolved, since a linker takes two
# of the same name for the same, whatever is local in them. The compiler's own intermediate code serves nobody after this.
"${LD:-ld}" -r --whole-archive --force-group-allocation "$from" -o "$folder/rtwasm.o"
"$(dirname "$0")/without_backtraces.sh" "$folder/rtwasm.o"
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='rtw_*' --remove-section=.llvmbc --remove-section=.llvmcmd "$folder/rtwasm.o"
"${AR:-ar}" rcD "$folder/librtwasm.a" "$folder/rtwasm.o"
mv -f "$folder/librtwasm.a" "$to"
