#!/bin/sh
# Runs the suites that depend on time beside busy loops: what they judge must not be how much CPU they get.
#   tests/loaded.sh [SUITE ...]     only those suites
# Environment: BUSY_LOOPS, 8 otherwise.
cd "$(dirname "$0")/.." || exit 1
loops=
end_loops() {
    [ -z "$loops" ] || kill $loops 2>/dev/null
    loops=
}
trap end_loops EXIT
trap 'exit 130' INT TERM HUP
while [ "$(echo $loops | wc -w)" -lt "${BUSY_LOOPS:-8}" ]; do
    sh -c 'while :; do :; done' &
    loops="$loops $!"
done
export TEST_PATIENCE="${TEST_PATIENCE:-4}"
tests/run.sh "${@:-timed}"
status=$?
for loop in $loops; do
    kill -0 "$loop" || { echo "FAIL busy loop $loop ended early"; status=1; }
done
exit $status
