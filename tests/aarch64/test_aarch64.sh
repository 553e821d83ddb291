#!/bin/sh
# Runs suites of the tests in an emulated aarch64 machine: their programs are built here and run there. `make test-aarch64` builds the
# library and starts this. The last line is the sum: `N passed, N failed`.
#   test_aarch64.sh [SUITE ...]    only those of suites.sh
# Environment: as for machine.py.
cd "$(dirname "$0")/../.." || exit 1
out=target/aarch64/machine
packaging/aarch64/fetch.sh $out/packages 'linux-image-arm64:arm64=*linux-image-' busybox-static:arm64 libc6:arm64 libgcc-s1:arm64 \
    libstdc++6:arm64 || { echo "FAIL the machine's packages cannot be fetched"; echo "0 passed, 1 failed"; exit 1; }
python3 tests/aarch64/machine.py image $out/packages $out/packages/lib/aarch64-linux-gnu $out/packages/usr/lib/aarch64-linux-gnu $out ||
    { echo "FAIL the machine cannot be made"; echo "0 passed, 1 failed"; exit 1; }
exec python3 tests/aarch64/machine.py serve $out $out/socket $out/console.log -- tests/aarch64/suites.sh "$@"
