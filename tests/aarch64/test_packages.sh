#!/bin/sh
# Where packages for aarch64 are missing and may not be installed, one line names them, and one failure is counted.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/packages
. ../lib.sh
mkdir -p "$scratch/user" "$scratch/none"
bin=$(realpath "$scratch")
# An ordinary user's machine, without two packages.
printf '#!/bin/sh\necho 1000\n' >"$bin/user/id"
printf '#!/bin/sh\nfor last; do :; done\ncase $last in cpio | qemu-system-arm) exit 1 ;; esac\necho "install ok installed"\n' >"$bin/user/dpkg-query"
chmod +x "$bin/user/id" "$bin/user/dpkg-query"
one_line() { # nothing is built before
    ! env PATH="$bin/user:$PATH" ./test_aarch64.sh quick >"$scratch/out" 2>&1 &&
        [ "$(cat "$scratch/out")" = "FAIL aarch64: The tests need these Debian packages: qemu-system-arm cpio
0 passed, 1 failed" ]
}
check "a user without two packages: they are named in one line, which counts as a failure" one_line
printf '#!/bin/sh\necho "install ok installed"\n' >"$bin/user/dpkg-query"
check "twin: with both there is nothing to say" env PATH="$bin/user:$PATH" ./in_machine.sh needs
# A machine without apt.
ln -s "$(command -v cat)" "$bin/none/cat"
refuses "without apt-get: what would be fetched is named, and where it goes" \
    "needs these Debian packages, unpacked in $bin/new: busybox-static:arm64 libc6:arm64. There is no apt-get" \
    env PATH="$bin/none" "$root/packaging/aarch64/fetch.sh" "$bin/new" busybox-static:arm64 libc6:arm64
mkdir -p "$bin/old"
echo "busybox-static:arm64 libc6:arm64" >"$bin/old/packages"
check "twin: what is unpacked already needs no apt-get" env PATH="$bin/none" "$root/packaging/aarch64/fetch.sh" "$bin/old" busybox-static:arm64 libc6:arm64
finish
