#!/bin/sh
# Tests of the WAV reader and writer against sox.
#   test_wav.sh TEST_WAV SCRATCH_DIR     TEST_WAV: test_wav.c, compiled
set -u
if [ $# -ne 2 ]; then
    echo "usage: test_wav.sh TEST_WAV SCRATCH_DIR" >&2
    exit 2
fi
test_wav=$1
scratch=$2/wav
mkdir -p "$scratch" || exit 1
log=$scratch/log
: > "$log"

# Runs one step and keeps its ok and FAIL lines; whatever else it says (a sanitizer's report) and a bad end are failures.
run() {
    if "$@" > "$scratch/step" 2> "$scratch/errors"; then end=0; else end=$?; fi
    grep -E '^(ok|FAIL) ' "$scratch/step" | tee -a "$log"
    if [ -s "$scratch/errors" ]; then
        cat "$scratch/errors" >&2
        echo "FAIL $1 wrote to standard error" | tee -a "$log"
    fi
    if [ "$end" -ne 0 ] && ! grep -q '^FAIL ' "$scratch/step"; then
        echo "FAIL $1 ended with status $end" | tee -a "$log"
    fi
}

# make_source CHANNELS RATE: a floating-point file with something different in each channel
make_source() {
    tones=
    channel=1
    while [ "$channel" -le "$1" ]; do
        tones="$tones sine $((channel * 300 + 7))"
        channel=$((channel + 1))
    done
    # shellcheck disable=SC2086 # the tones are words
    sox -R -n -r "$2" -c "$1" -e floating-point -b 64 "$scratch/source.wav" synth 0.25 $tones vol 0.7 fade 0.02
}

# compare_format NAME TOLERANCE CHANNELS RATE ENCODING...: sox writes a file in the format, we and sox read it.
# sox computes with 32-bit integers and rounds those to floats of 24 bits: up to 24 bits it is exact, above it is not.
compare_format() {
    name=$1 tolerance=$2 channels=$3 rate=$4
    shift 4
    make_source "$channels" "$rate"
    sox -R "$scratch/source.wav" "$@" "$scratch/$name.wav" || echo "FAIL sox cannot write $name" | tee -a "$log"
    sox -R "$scratch/$name.wav" -t f32 "$scratch/$name.f32" || echo "FAIL sox cannot read $name" | tee -a "$log"
    run "$test_wav" compare "$scratch/$name.wav" "$scratch/$name.f32" "$channels" "$rate" "$tolerance"
}

if nm "$test_wav" | grep -q __asan_; then
    echo "ok the address sanitizer watches" | tee -a "$log"
else
    echo "FAIL $test_wav is built without the address sanitizer" | tee -a "$log"
fi

run "$test_wav" self "$scratch"

for channels in 1 2 3 6 8; do
    compare_format "pcm8-$channels" 0 "$channels" 22050 -e unsigned-integer -b 8
    compare_format "pcm16-$channels" 0 "$channels" 44100 -e signed-integer -b 16
    compare_format "pcm24-$channels" 0 "$channels" 48000 -e signed-integer -b 24
    compare_format "pcm32-$channels" 1.2e-7 "$channels" 96000 -e signed-integer -b 32
    compare_format "float32-$channels" 1.2e-7 "$channels" 192000 -e floating-point -b 32
    compare_format "float64-$channels" 1.2e-7 "$channels" 8000 -e floating-point -b 64
done

# ---- what other programs write where they cannot go back, and other kinds of file; sums compared with what was put in ----

note_of() { # note_of WAV: what the reader says about it
    "$test_wav" note "$1"
}

# reads NAME TOLERANCE CHANNELS RATE NOTE COMMAND...: the command's standard output, through a pipe, is read as source.f32 has it
reads() {
    name=$1 tolerance=$2 channels=$3 rate=$4 note=$5
    shift 5
    "$@" 2> /dev/null | cat > "$scratch/$name.wav"
    run "$test_wav" compare "$scratch/$name.wav" "$scratch/source.f32" "$channels" "$rate" "$tolerance"
    run "$test_wav" compare - "$scratch/source.f32" "$channels" "$rate" "$tolerance" < "$scratch/$name.wav"
    cat "$scratch/$name.wav" | run "$test_wav" compare - "$scratch/source.f32" "$channels" "$rate" "$tolerance"
    case $(note_of "$scratch/$name.wav") in
    *"$note"*) echo "ok $name: the note is '$note'" | tee -a "$log" ;;
    *) echo "FAIL $name: the note is '$(note_of "$scratch/$name.wav")', not '$note'" | tee -a "$log" ;;
    esac
}

for channels in 1 2 6; do
    make_source "$channels" 48000
    sox -R "$scratch/source.wav" -b 16 -e signed-integer "$scratch/whole.wav"
    sox -R "$scratch/whole.wav" -t f32 "$scratch/source.f32"
    whole=$scratch/whole.wav
    reads "ffmpeg-pipe-$channels" 0 "$channels" 48000 "sizes are not known" \
        ffmpeg -loglevel error -nostdin -i "$whole" -c:a pcm_s16le -f wav -
    reads "ffmpeg-pipe-float-$channels" 0 "$channels" 48000 "sizes are not known" \
        ffmpeg -loglevel error -nostdin -i "$whole" -c:a pcm_f32le -f wav -
    sox -R "$whole" -t raw "$scratch/whole.raw"
    reads "sox-pipe-$channels" 0 "$channels" 48000 "cut off" \
        sh -c 'cat "$1" | sox -R -t raw -r 48000 -c "$2" -b 16 -e signed-integer - -t wav -' - "$scratch/whole.raw" "$channels"
    ffmpeg -loglevel error -nostdin -y -i "$whole" -c:a pcm_s24le -rf64 always "$scratch/rf64.wav"
    reads "rf64-$channels" 0 "$channels" 48000 "" cat "$scratch/rf64.wav"
    # A list before the sound, with a title of odd length.
    ffmpeg -loglevel error -nostdin -y -i "$whole" -metadata title=odd -metadata artist=a -c:a pcm_s32le "$scratch/list.wav"
    reads "list-$channels" 0 "$channels" 48000 "" cat "$scratch/list.wav"
    # Half of the file, and what sox makes of that half.
    half=$(($(stat -c %s "$whole") / 2))
    head -c "$half" "$whole" > "$scratch/half.wav"
    sox -R --ignore-length "$scratch/half.wav" -t f32 "$scratch/source.f32" 2> /dev/null
    reads "half-$channels" 0 "$channels" 48000 "cut off" cat "$scratch/half.wav"
done
head -c 4 "$scratch/rf64.wav" | grep -q RF64 && echo "ok ffmpeg writes RF64" | tee -a "$log"

# The other direction: what we write, sox reads, without a complaint.
make_source 2 44100
for format in pcm16 pcm24 float32; do
    run "$test_wav" write "$scratch/source.wav" "$scratch/ours-$format.wav" "$format"
    if sox -R "$scratch/ours-$format.wav" -t f32 "$scratch/ours-$format.f32" 2> "$scratch/complaints" &&
        [ ! -s "$scratch/complaints" ]; then
        run "$test_wav" compare "$scratch/ours-$format.wav" "$scratch/ours-$format.f32" 2 44100 1.2e-7
    else
        echo "FAIL sox and our $format file: $(cat "$scratch/complaints")" | tee -a "$log"
    fi
done

passed=$(grep -c '^ok ' "$log")
failed=$(grep -c '^FAIL ' "$log")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
