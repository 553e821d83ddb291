"""The plug-in in jalv, under a jackd of its own with the dummy driver: test_jalv.py BUNDLES DRIVE TRAPS FAULTY..., where DRIVE is another
version of the drive's artifact, TRAPS one of the faulty guest's that fails at each call, and each FAULTY one that does not. Prints
`ok WHAT` and `FAIL WHAT`.

It waits for what jalv prints; PATIENCE_S is only how long a test that hangs may hang.
"""
import os
import queue
import re
import subprocess
import sys
import threading
import time

BUNDLES, DRIVE, TRAPS, *FAULTY = sys.argv[1:]
SERVER = "rtwasm-lv2"
PATIENCE_S = 60
ENVIRONMENT = {**os.environ, "JACK_DEFAULT_SERVER": SERVER, "JACK_NO_START_SERVER": "1"}
passed = failed = 0


def check(good, what, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"ok {what}" if good else f"FAIL {what}\n    {detail}", flush=True)


class Jalv:
    """Its lines arrive as they are printed."""

    def __init__(self, plugin, *arguments):
        self.process = subprocess.Popen(["stdbuf", "-oL", "jalv", "-x", "-n", "plug", *arguments, plugin], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def wait_for(self, pattern, what, ask=None):
        """Waits for a line with the pattern; `ask` is said to jalv until it comes."""
        end = time.monotonic() + PATIENCE_S
        while True:
            if ask:
                self.process.stdin.write(ask + "\n")
                self.process.stdin.flush()
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                line = ""
            if line is None or time.monotonic() > end or re.search(pattern, line):
                check(line and re.search(pattern, line), what, "\n    ".join(self.seen[-20:]))
                return
            self.seen.append(line)

    def end(self, what):
        self.process.terminate()
        check(self.process.wait(PATIENCE_S) in (0, -15), what, f"exit status {self.process.returncode}: {self.seen[-20:]}")


def swap(plugin, artifact):
    """Replaces the artifact of a bundle at once."""
    subprocess.run(["cp", artifact, f"{BUNDLES}/{plugin}.lv2/new"], check=True)
    os.rename(f"{BUNDLES}/{plugin}.lv2/new", f"{BUNDLES}/{plugin}.lv2/{plugin}.rtw")


def jack(*command):
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE_S)


def connect(source, sink):
    """Connects two ports, once they are there."""
    end = time.monotonic() + PATIENCE_S
    while (result := jack("jack_connect", source, sink)).returncode and time.monotonic() < end:
        pass
    check(result.returncode == 0, f"jack_connect {source} {sink}", result.stderr)


server = subprocess.Popen(["jackd", "--no-realtime", "--name", SERVER, "-d", "dummy", "--rate", "48000", "--period", "256"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    waited = jack("jack_wait", "--wait", "--server", SERVER, "--timeout", str(PATIENCE_S))
    if waited.returncode or server.poll() is not None:
        sys.exit(f"FAIL there is no server: {waited.stdout}")

    # A sine of another client goes through the plug-in, whose meter shows its peak times the gain.
    jalv = Jalv("urn:rtwasm:drive", "-c", "gain=4")
    jalv.wait_for(r"Drive: 2 in, 2 out", "jalv loads the plug-in, and has its note in the log")
    sine = subprocess.Popen(["jack_simple_client", "sine", SERVER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    connect("sine:output1", "plug:in_1")
    jalv.wait_for(r"peak = 0\.(7|80)", "it computes: the meter shows the peak of a sine of 0.2, four times as loud", ask="monitors")
    jalv.wait_for(r"guest_load = (?!0\.000000)", "and its load", ask="monitors")
    sine.terminate()
    sine.wait(PATIENCE_S)
    jalv.end("it ends")

    # Notes of another client go to an instrument, whose meter shows the one that it plays.
    jalv = Jalv("urn:rtwasm:tone")
    jalv.wait_for(r"Tone: 0 in, 1 out", "jalv loads an instrument")
    notes = subprocess.Popen(["jack_midiseq", "notes", "48000", "0", "69", "47000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=ENVIRONMENT)
    connect("notes:out", "plug:control")
    jalv.wait_for(r"note = 69", "it plays the note", ask="monitors")
    notes.terminate()
    notes.wait(PATIENCE_S)
    jalv.end("it ends")

    # jalv's worker loads a new version.
    jalv = Jalv("urn:rtwasm:drive")
    jalv.wait_for(r"Drive: 2 in, 2 out", "jalv loads the plug-in once more")
    swap("drive", DRIVE)
    jalv.wait_for(r"Drive: 2 in, 2 out", "and the new version of its artifact")
    jalv.end("it ends")

    jalv = Jalv("urn:rtwasm:faulty", "-c", "mode=1")
    jalv.wait_for(r"out of bounds", "a guest that fails: the log says why")
    jalv.wait_for(r"guest_fault = 1", "the flag is up", ask="monitors")
    jalv.wait_for(r"guest_faults = [1-9]", "the faults are counted", ask="monitors")
    check(jalv.process.poll() is None, "jalv goes on")

    # The worker still loads new versions later: the flag goes down after a second of sound without faults.
    for version in FAULTY:
        jalv.wait_for(r"guest_fault = 1", "the guest fails", ask="mode = 1\nmonitors")
        jalv.wait_for(r"guest_fault = 0", "it plays for a second without faults", ask="mode = 0\nmonitors")
        swap("faulty", version)
        jalv.wait_for(r"Faulty: 1 in, 1 out", f"then jalv loads a new version, {os.path.basename(version)}")
    swap("faulty", TRAPS)
    jalv.wait_for(r'dry call 0 of "rtw_process" ended with RTW_ERR_TRAP_MEMORY$', "it refuses a version that fails at its dry calls")
    jalv.wait_for(r"guest_fault = 0", "the old one plays on", ask="monitors")
    jalv.end("it ends as well")
finally:
    server.terminate()
    server.wait(PATIENCE_S)
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
