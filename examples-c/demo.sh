#!/bin/sh
# Run by `make demo` once everything is built: a WAV file through the audio host, in real time; then the control loop, for
# five seconds. Ends with both programs' own tables and with where the results lie.
#   examples-c/demo.sh WAV OUTDIR
# Exit status: 0 done, 1 a program could not run, 2 wrong usage, 3 a guest failed.
set -u
root=$(dirname "$0")/..

die() { # die STATUS MESSAGE
    echo "demo: $2" >&2
    exit "$1"
}

[ $# -eq 2 ] || die 2 "usage: $0 WAV OUTDIR"
wav=$1
out=$2
audio=$root/target/examples-c/audio/audio
control_loop=$root/target/examples-c/control-loop/control_loop
artifacts=$root/target/artifacts

[ -r "$wav" ] || die 1 "$wav: there is no such file, or it may not be read"
[ -x "$audio" ] && [ -x "$control_loop" ] && [ -d "$artifacts" ] || die 1 "not everything is built: run \`make demo\`"
mkdir -p "$out" || die 1 "$out: cannot be made"
# Removes the results of an earlier run, so that they do not pass for this one's.
rm -f "$out/audio.wav" "$out/audio.html" "$out/audio.txt" "$out/control-loop.html" "$out/control-loop.txt"

LD_LIBRARY_PATH=$root/target/release${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

run() { # run TABLE-FILE PROGRAM...: keeps what the program prints for the end; shows it at once if it fails
    table=$1
    shift
    "$@" >"$table"
    status=$?
    if [ $status -ne 0 ]; then
        cat "$table"
        die $status "$1 ended with status $status"
    fi
}

echo "audio: $wav through equaliser, reverb and compressor, in real time, with 2 s for what rings on ..."
run "$out/audio.txt" "$audio" --artifacts "$artifacts" --report "$out/audio.html" "$wav" "$out/audio.wav"
echo "control loop: a pendulum on a cart, balanced at 1 kHz for 5 s ..."
run "$out/control-loop.txt" "$control_loop" --artifacts "$artifacts" --plant pendulum --seconds 5 --report "$out/control-loop.html"

cat <<END

==== audio: each effect's calls, the whole chain, the wake-ups
$(cat "$out/audio.txt")

==== control loop: the wake-ups and the controller's calls
$(cat "$out/control-loop.txt")

==== results
$out/audio.wav          what the effects made of it
$out/audio.html         the audio latencies as a page with plots (any browser)
$out/control-loop.html  the control loop's
$out/audio.txt, $out/control-loop.txt   the tables above
What the columns mean: examples-c/audio/README.md and examples-c/control-loop/README.md
END
