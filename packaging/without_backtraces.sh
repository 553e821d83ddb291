#!/bin/sh
# Empties the function that prints a panic's backtrace: without_backtraces.sh OBJECT. The standard library would call it from the hook
# that this library replaces (src/rt/panics.rs), so it never runs; but the linker cannot know that, and keeps the readers of debugging
# information, the demangler and the decompressor that it reaches: 200 KB. The emptied function returns success and calls nothing, so
# the linker drops them. Where the tools cannot do that, or the function has another name, the library is larger and works alike.
#   LINK_CC, OBJCOPY  the C compiler and binutils for the library's processor
object=$1
section=$(readelf -SW "$object" 2>/dev/null | grep -oE '\.text\.[^ ]*BacktraceLock[^ ]*DisplayBacktrace[^ ]*' | head -n 1)
[ -n "$section" ] || exit 0
folder=$(mktemp -d) || exit 0
trap 'rm -rf "$folder"' EXIT
# Ok(()) of Rust is C's false. The rest of the section stays as long as it was, for the tables that describe it.
{
    echo '_Bool printed(void) { return 0; }' | "${LINK_CC:-cc}" -O1 -fno-asynchronous-unwind-tables -c -x c - -o "$folder/printed.o" &&
        "${OBJCOPY:-objcopy}" -O binary --only-section=.text "$folder/printed.o" "$folder/code" &&
        "${OBJCOPY:-objcopy}" -O binary --only-section="$section" --set-section-flags="$section=alloc,load,code" "$object" "$folder/before" &&
        truncate -s "$(stat -c %s "$folder/before")" "$folder/code" &&
        "${OBJCOPY:-objcopy}" --update-section "$section=$folder/code" --remove-relocations="$section" "$object" "$folder/after" &&
        mv "$folder/after" "$object"
} 2>/dev/null || exit 0
