#!/bin/sh
# Starts the emulated aarch64 machine and runs a command beside it, which finds in INSIDE what runs a program in the machine
# (machine.py). Where a package is missing that cannot be installed, one line names all that are needed.
#   in_machine.sh COMMAND...
#   in_machine.sh needs        only sees to the packages
# Environment: as for machine.py; IN_MACHINE_SOCKET, where another machine runs at the same time.
cd "$(dirname "$0")/../.." || exit 1
out=target/aarch64/machine

stop() { # stop WHY
    echo "FAIL aarch64: $*"
    echo "0 passed, 1 failed"
    exit 1
}

# Of the list in tests/packages.sh, what building for aarch64 and the machine need; what is fetched below target/ is named by fetch.sh.
said=$(tests/packages.sh gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross binutils clang-19 qemu-system-arm cpio python3 2>&1) ||
    stop "$(echo "$said" | tail -n 1)"
[ "$1" != needs ] || exit 0
packaging/aarch64/fetch.sh $out/packages 'linux-image-arm64:arm64=*linux-image-' busybox-static:arm64 libc6:arm64 libgcc-s1:arm64 \
    libstdc++6:arm64 || stop "the machine's packages cannot be fetched"
python3 tests/aarch64/machine.py image $out/packages $out/packages/lib/aarch64-linux-gnu $out/packages/usr/lib/aarch64-linux-gnu $out ||
    stop "the machine cannot be made"
exec python3 tests/aarch64/machine.py serve $out "${IN_MACHINE_SOCKET:-$out/socket}" "$out/console.log" -- "$@"
