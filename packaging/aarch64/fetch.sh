#!/bin/sh
# Fetches Debian's packages for another architecture and unpacks them into a folder. The machine's own list of packages and
# architectures stays as it is: apt gets lists of its own below that folder, which are removed afterwards.
#   fetch.sh FOLDER PACKAGE ...    PACKAGE as apt names it, such as busybox-static:arm64; a name that ends in =*DEPENDENCY stands
#                                  for the package that it depends on whose name begins so
# Does nothing if the folder holds these packages already.
set -eu
folder=$1
shift
wanted="$*"
[ "$(cat "$folder/packages" 2>/dev/null)" = "$wanted" ] && exit 0
cannot() { # cannot WHY: says what is needed, in one line
    echo "Fetching for aarch64 needs these Debian packages, unpacked in $folder: $wanted. $1" >&2
    exit 1
}
for tool in apt-get apt-cache dpkg-deb; do
    command -v $tool >/dev/null || cannot "There is no $tool to fetch them."
done
rm -rf "$folder"
mkdir -p "$folder/apt/state/lists/partial" "$folder/apt/cache/archives/partial" "$folder/apt/pool"
folder=$(realpath "$folder")
: >"$folder/apt/state/status"
cat >"$folder/apt/apt.conf" <<CONF
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::State "$folder/apt/state";
Dir::State::status "$folder/apt/state/status";
Dir::Cache "$folder/apt/cache";
CONF
export APT_CONFIG="$folder/apt/apt.conf"
apt-get update -qq || cannot "apt-get does not find any: see above."
names=
for package in "$@"; do
    case $package in
    *=\**)
        dependency=$(apt-cache depends "${package%%=*}" | awk -v name="${package##*\*}" '$1 == "Depends:" && index($2, name) == 1 { print $2; exit }')
        [ -n "$dependency" ] || cannot "$package depends on no package of that name."
        names="$names $dependency"
        ;;
    *) names="$names $package" ;;
    esac
done
# shellcheck disable=SC2086 # a list of words
(cd "$folder/apt/pool" && apt-get download -qq $names) || cannot "apt-get does not fetch them: see above."
for archive in "$folder"/apt/pool/*.deb; do
    dpkg-deb -x "$archive" "$folder"
    basename "$archive" .deb >>"$folder/versions"
done
rm -rf "$folder/apt"
echo "$wanted" >"$folder/packages"
