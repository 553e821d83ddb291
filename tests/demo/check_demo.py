"""Looks at what a demo run has left: check_demo.py INPUT.wav OUTDIR OUTPUT-TEXT. Prints `ok`/`FAIL` lines and their sum."""
import re
import sys
import wave
from pathlib import Path

TAIL_S = 2
BLOCK_FRAMES = 128
CONTROL_PERIODS = 5000
MARKS = ("p50", "p99", "p99.9", "max")
AUDIO_ROWS = ("eq", "reverb", "compressor", "whole chain", "wake-up late")
AUDIO_COLUMNS = ("calls", "min", "mean", "p50", "p90", "p99", "p99.9", "max", "mean %", "max %")
AUDIO_SUBJECTS = ("func 1 eq", "func 2 reverb", "func 3 compressor", "recorder whole chain", "recorder wake-up late")
CONTROL_ROWS = ("wake-up", "call")
CONTROL_SUBJECTS = ("func step", "worker control-loop")
CONTROL_COLUMNS = ("min", "mean", "p50", "p99", "p99.9", "max")
PERCENTILES = ("min", "p50", "p90", "p99", "p99.9", "max")

counts = {"ok": 0, "FAIL": 0}


def check(condition, what):
    verdict = "ok" if condition else "FAIL"
    counts[verdict] += 1
    print(verdict, what)


def read_wav(path):
    with wave.open(str(path)) as file:
        frames = file.getnframes()
        return frames, file.getframerate(), file.getnchannels(), file.getsampwidth(), file.readframes(frames)


def check_sound(input_path, output_path):
    frames, rate, channels, width, samples = read_wav(input_path)
    out_frames, out_rate, out_channels, out_width, out_samples = read_wav(output_path)
    check((out_rate, out_channels) == (rate, channels), f"sound: {out_rate} Hz and {out_channels} channel(s), as the input")
    check(out_frames == frames + TAIL_S * rate, f"sound: {out_frames} frames are the input's and {TAIL_S} s")
    check(out_width == width == 2, "sound: both are of 16 bits")
    check(out_samples[: len(samples)] != samples, "sound: the effects have changed it")
    check(any(out_samples), "sound: it is not silence")
    return frames, rate


def table_row(text, name):
    """The numbers of the row that begins with `name`, or None."""
    found = re.search(rf"^{re.escape(name)} +([0-9][0-9. ]*)$", text, re.MULTILINE)
    return [float(word) for word in found.group(1).split()] if found else None


def check_row(text, name, columns):
    row = table_row(text, name)
    if row is None or len(row) != len(columns):
        check(False, f"table: row '{name}' with its {len(columns)} figures")
        return None
    row = dict(zip(columns, row))
    steps = [row[column] for column in PERCENTILES if column in row]
    check(steps == sorted(steps) and steps[-1] > 0, f"table: '{name}': percentiles rise from min to max")
    check(row["min"] <= row["mean"] <= row["max"], f"table: '{name}': the mean is between min and max")
    return row


def check_audio_table(text, frames, rate):
    latency = re.search(r"^latency: (\d+) frames", text, re.MULTILINE)
    total = frames + TAIL_S * rate + (int(latency.group(1)) if latency else 0)
    blocks = -(-total // BLOCK_FRAMES)
    check(f"{blocks} blocks, paced" in text, f"table: {blocks} blocks of {BLOCK_FRAMES} frames, paced")
    for name in AUDIO_ROWS:
        row = check_row(text, name, AUDIO_COLUMNS)
        check(row is not None and row["calls"] == blocks, f"table: '{name}': every block counted")
    check(re.search(rf"^missed deadlines: \d+ of {blocks}$", text, re.MULTILINE), "table: missed deadlines are told")


def check_control_table(text):
    for name in CONTROL_ROWS:
        check_row(text, name, CONTROL_COLUMNS)
    counted = re.search(r"^steps (\d+), misses \d+ \((\d+) of them skipped periods\)", text, re.MULTILINE)
    check(
        counted is not None and int(counted.group(1)) + int(counted.group(2)) == CONTROL_PERIODS,
        f"table: {CONTROL_PERIODS} periods, run or skipped",
    )


def check_page(path, subjects):
    """Each of the subjects has its section, with percentiles in figures and a histogram with bars."""
    page = path.read_text()
    check(page.rstrip().endswith("</html>"), f"page {path.name}: it is written to its end")
    sections = dict(re.findall(r"<section>\n<h2>(.*?)</h2>(.*?)</section>", page, re.DOTALL))
    for subject in subjects:
        section = sections.get(subject, "")
        check(section, f"page {path.name}: a section about '{subject}'")
        heads = re.findall(r"<th>([^<]+)</th>", section)
        check(set(MARKS) <= set(heads), f"page {path.name}: '{subject}': {', '.join(MARKS)} are in its table")
        drawings = re.findall(r"<figcaption>Histogram</figcaption>.*?</figure>", section, re.DOTALL)
        check(drawings and "<rect " in drawings[0], f"page {path.name}: '{subject}': its histogram has bars")


def main(input_path, out, said_path):
    frames, rate = check_sound(Path(input_path), out / "audio.wav")
    audio, control = (out / "audio.txt").read_text(), (out / "control-loop.txt").read_text()
    check_audio_table(audio, frames, rate)
    check_control_table(control)
    check_page(out / "audio.html", AUDIO_SUBJECTS)
    check_page(out / "control-loop.html", CONTROL_SUBJECTS)
    said = Path(said_path).read_text()
    check(audio.strip() in said and control.strip() in said, "the demo shows both tables")
    for name in ("audio.wav", "audio.html", "control-loop.html"):
        check(re.search(rf"^\S*/{re.escape(name)} ", said, re.MULTILINE), f"the demo says where {name} is")
    print(f"{counts['ok']} passed, {counts['FAIL']} failed")
    return 1 if counts["FAIL"] else 0


if len(sys.argv) != 4:
    sys.exit("usage: check_demo.py INPUT.wav OUTDIR OUTPUT-TEXT")
sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
