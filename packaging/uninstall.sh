#!/bin/sh
# Takes away what install.sh has installed, with the same arguments: uninstall.sh [PREFIX [DESTDIR]]. Folders that are then
# empty go too, PREFIX included; those of the system stay.
set -eu
. "$(dirname "$0")/common.sh"

rm -f "$dest/bin/rtwasm" "$dest/include/rtwasm.h" "$dest/include/rtwasm.hpp" "$dest/include/rtwasm_compiler.h" "$dest/include/rtw_guest.h" \
    "$dest/include/rtw_dsp.h" "$dest/lib/librtwasm.a"
# An earlier version may have had parts of other names.
rm -f "$dest"/include/rtwasm/*.h
for library in $libraries; do
    # Earlier patch versions went under the same SONAME; upgrading has left them behind.
    rm -f "$dest/lib/$library.so" "$dest/lib/$library.so.$soversion" "$dest/lib/$library.so.$soversion".*
done
for file in $pc_files; do rm -f "$dest/lib/pkgconfig/$file"; done
for file in $plugin_files; do rm -f "$dest/lib/rtwasm/$file"; done
for file in $cmake_files; do rm -f "$dest/lib/cmake/rtwasm/$file"; done
rm -f "$dest/share/doc/rtwasm/LICENSE" "$dest/share/doc/rtwasm/THIRD-PARTY.txt"

remove_if_empty() {
    [ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty "$1"
}
remove_if_empty "$dest/lib/cmake/rtwasm"
remove_if_empty "$dest/lib/rtwasm"
remove_if_empty "$dest/include/rtwasm"
remove_if_empty "$dest/share/doc/rtwasm"
case $prefix in
    "" | /usr | /usr/local) [ "$dest" != "$prefix" ] || { refresh_linker_cache; exit 0; } ;;
esac
for folder in "$dest/lib/cmake" "$dest/lib/pkgconfig" "$dest/lib" "$dest/share/doc" "$dest/share" "$dest/include" "$dest/bin" "$dest"; do
    remove_if_empty "$folder"
done
