#!/bin/sh
# Installs what `make lib command` has built: install.sh [PREFIX [DESTDIR]]. PREFIX is /usr/local unless given; DESTDIR is put
# in front of it, for making packages. Nothing that is installed knows PREFIX: the tree may be moved as a whole.
#   LIBDIR_BUILT, TOOLS_BUILT  where the libraries and the command have been built (target/release, target/tools)
#   PLUGINS_BUILT              where the plug-in libraries are (target/plugins); those that are not there are left out
set -eu
. "$(dirname "$0")/common.sh"
libraries_built=${LIBDIR_BUILT:-$root/target/release}
tools_built=${TOOLS_BUILT:-$root/target/tools}
plugins_built=${PLUGINS_BUILT:-$root/target/plugins}

# Everything is looked at before anything is written.
for file in "$libraries_built/librtwasm.so" "$libraries_built/librtwasm.a" "$tools_built/librtwasm_compiler.so" \
    "$tools_built/rtwasm"; do
    [ -f "$file" ] || die "$file is missing: run make lib command first"
done
for file in "$libraries_built/librtwasm.so" "$tools_built/librtwasm_compiler.so"; do
    name=$(basename "$file").$soversion
    LC_ALL=C grep -qaF "$name" "$file" || die "$file is not $name, as Cargo.toml has it: run make lib command again"
done

shared_library() { # shared_library FILE: under its full version, with the links for programs (SONAME) and for linkers
    name=$(basename "$1")
    install -m 755 "$1" "$dest/lib/$name.$version"
    ln -sf "$name.$version" "$dest/lib/$name.$soversion"
    ln -sf "$name.$soversion" "$dest/lib/$name"
}

from_template() { # from_template FILE FOLDER
    sed -e "s/@VERSION@/$version/g" -e "s/@SOVERSION@/$soversion/g" "$here/$1.in" >"$2/$1"
    chmod 644 "$2/$1"
}

install -d "$dest/bin" "$dest/include/rtwasm" "$dest/lib/pkgconfig" "$dest/lib/cmake/rtwasm" "$dest/share/doc/rtwasm"
install -m 644 "$root/include/rtwasm.h" "$root/include/rtwasm.hpp" "$root/include/rtwasm_compiler.h" \
    "$root/guests/include/rtw_guest.h" "$root/guests/include/rtw_dsp.h" "$dest/include"
install -m 644 "$root"/include/rtwasm/*.h "$dest/include/rtwasm"
shared_library "$libraries_built/librtwasm.so"
shared_library "$tools_built/librtwasm_compiler.so"
install -m 644 "$libraries_built/librtwasm.a" "$dest/lib"
install -m 755 "$tools_built/rtwasm" "$dest/bin"
for file in $plugin_files; do
    [ -f "$plugins_built/$file" ] || continue
    install -d "$dest/lib/rtwasm"
    install -m 755 "$plugins_built/$file" "$dest/lib/rtwasm"
done
install -m 644 "$root/LICENSE" "$here/THIRD-PARTY.txt" "$dest/share/doc/rtwasm"
for file in $pc_files; do from_template "$file" "$dest/lib/pkgconfig"; done
for file in $cmake_files; do from_template "$file" "$dest/lib/cmake/rtwasm"; done

refresh_linker_cache
echo "rtwasm $version is in ${dest:-/}"
