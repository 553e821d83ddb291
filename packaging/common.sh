# Shared by installing and uninstalling; sourced. It reads PREFIX [DESTDIR] from the arguments and sets `prefix`,
# `dest` (where files go, with DESTDIR in front), `version` and `soversion`.
#
# The version is the workspace's in Cargo.toml and is written nowhere else. While the major version is 0 the ABI may change
# with the minor one, so the SONAME has both; the build scripts (build.rs) say the same to the linker.

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
program=$(basename "$0")

die() {
    echo "$program: $*" >&2
    exit 1
}

[ $# -le 2 ] || die "usage: $program [PREFIX [DESTDIR]]"
prefix=${1:-/usr/local}
case $prefix in
    /*) ;;
    *) die "PREFIX must be absolute, not '$prefix'" ;;
esac
while [ "$prefix" != "${prefix%/}" ]; do prefix=${prefix%/}; done # /usr/ is /usr, and / is nothing
dest=${2:-}$prefix

version=$(sed -n '/^\[workspace.package\]/,/^\[[^w]/s/^version = "\([0-9]*\.[0-9]*\.[0-9]*\)"$/\1/p' "$root/Cargo.toml")
[ -n "$version" ] || die "Cargo.toml: no version found in [workspace.package]"
case $version in
    0.*) soversion=${version%.*} ;;
    *) soversion=${version%%.*} ;;
esac

libraries="librtwasm librtwasm_compiler"
pc_files="rtwasm.pc rtwasm-static.pc rtwasm-compiler.pc"
plugin_files="rtwasm_lv2.so rtwasm_ladspa.so"
cmake_files="rtwasmConfig.cmake rtwasmConfigVersion.cmake"

# Programs that are started find libraries in /usr/local/lib through the dynamic linker's cache only.
refresh_linker_cache() {
    [ "$dest" = "$prefix" ] && [ "$(id -u)" -eq 0 ] || return 0
    case $prefix in
        "" | /usr | /usr/local) if command -v ldconfig >/dev/null; then ldconfig; fi ;;
    esac
}
