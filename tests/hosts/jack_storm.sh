#!/bin/sh
# Closes JACK clients, and kills JACK servers, in the middle of calls of guests, beside other load: jack_storm.sh PROGRAM ARTIFACTS
# TIMES [RESULT]. Counts how many processes came to their end as they should, in both profiles; writes the counts to RESULT.
program=$1
artifacts=$2
times=$3
result=${4:-}
scratch=$artifacts/jack
mkdir -p "$scratch"
passed=0
failed=0
# One name for all: JACK gives a dead server's place in its list of eight to a server of the same name only.
server=${JACK_NAME:-rtwasm-tests}
jackd=
load=
serve() { # a server of its own, without sound
    jackd --no-realtime --name "$server" -d dummy --rate 48000 --period 128 >"$scratch/jackd.log" 2>&1 &
    jackd=$!
    JACK_SERVER=$server JACK_PID=$jackd
    export JACK_SERVER JACK_PID
    until JACK_DEFAULT_SERVER=$server jack_wait --wait --server "$server" --timeout 10 >/dev/null 2>&1; do
        kill -0 $jackd 2>/dev/null || { cat "$scratch/jackd.log"; return 1; }
    done
}
stop() {
    kill -KILL $jackd 2>/dev/null
    wait $jackd 2>/dev/null
}
trap 'kill $load 2>/dev/null; stop' EXIT
trap 'exit 1' HUP INT TERM
# Removes the remains of killed servers with other names, if no server needs them.
pgrep -x jackd >/dev/null || rm -rf /dev/shm/jack-* /dev/shm/jack_*
# The load: two threads that never sleep.
for _ in 1 2; do
    (while :; do :; done) &
    load="$load $!"
done
for profile in standalone plugin; do
    for how in close death; do
        good=0
        serve || exit 1
        i=0
        while [ $i -lt "$times" ]; do
            i=$((i + 1))
            if JACK_HOW=$how "$program" $profile "$artifacts" >"$scratch/client.log" 2>&1; then
                good=$((good + 1))
            else
                echo "    status $?"
                sed 's/^/    /' "$scratch/client.log" | tail -n 12
            fi
            if [ $how = death ]; then
                stop
                serve || exit 1
            fi
        done
        stop
        case $how in close) what="clients closed" ;; death) what="servers killed" ;; esac
        line="$profile: $good of $times $what in the middle of calls: the client came to its end, no call failed"
        if [ $good -eq "$times" ]; then
            echo "ok $line"
            passed=$((passed + 1))
        else
            echo "FAIL $line"
            failed=$((failed + 1))
        fi
        [ -z "$result" ] || echo "$line" >>"$result.new"
    done
done
if [ -n "$result" ]; then
    {
        echo "make jack-storm, $(date -u +%Y-%m-%d), $(jackd --version | sed -n 's/^jackdmp \(.*\)/jackdmp \1/p' | head -n 1), $(nproc) CPUs, dummy driver, 128 frames at 48 kHz, two busy processes beside it"
        echo
        cat "$result.new"
    } >"$result"
    rm -f "$result.new"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
