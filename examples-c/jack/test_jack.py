"""The live client under servers of its own, with the dummy driver: test_jack.py OUT ARTIFACTS. Prints `ok WHAT` and `FAIL WHAT`.

It waits for what the client prints and for processes to end; PATIENCE_S is only how long a test that hangs may hang.
"""
import os
import queue
import re
import signal
import subprocess
import sys
import threading

OUT, ARTIFACTS = sys.argv[1:]
SERVER = "rtwasm-example"
PATIENCE_S = 90
EFFECTS = [f"{ARTIFACTS}/{name}.rtw" for name in ("eq", "reverb", "compressor")]
passed = failed = 0


def check(good, what, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"ok {what}" if good else f"FAIL {what}\n    {detail}", flush=True)


class Server:
    """A jackd without sound. In synchronous mode each period waits for its clients."""

    def __init__(self, rate, frames, synchronous=False):
        options = ["-S"] if synchronous else []
        self.process = subprocess.Popen(["jackd", "--no-realtime", "--name", SERVER, *options, "-d", "dummy", "--rate", str(rate), "--period", str(frames)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        waited = subprocess.run(["jack_wait", "--wait", "--server", SERVER, "--timeout", str(PATIENCE_S)], capture_output=True, text=True,
                                env=environment(), timeout=PATIENCE_S)
        if waited.returncode or self.process.poll() is not None:
            sys.exit(f"FAIL there is no server: {waited.stdout}")

    def __enter__(self):
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def __exit__(self, *_):
        self.kill()


def environment():
    return {**os.environ, "JACK_DEFAULT_SERVER": SERVER}


class Client:
    """The example; its lines arrive as they are printed."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([f"{OUT}/jack_chain", "--server", SERVER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def prints(self, pattern):
        """Waits for a line; returns its match, or None if the client ends without it or is silent for too long."""
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                line = None
            if line is None:
                return None
            # jack's own library prints, too
            self.seen.append(line)
            if found := re.match(pattern, line):
                return found

    def ends(self, how=None):
        """Its exit status, after a signal or by itself; the rest of its lines are in `seen`."""
        if how is not None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "killed, since it did not end"
        self.prints("nothing like this")
        return status

    def report(self):
        text = "\n".join(self.seen)
        found = re.search(r"(\d+) periods: (\d+) xruns by JACK's count; by ours (\d+) late, (\d+) bypassed, (\d+) effects failed\n"
                          r"whole chain: p50 ([\d.]+) us, p99 ([\d.]+) us, max ([\d.]+) us in (\d+) periods", text)
        names = "periods xruns late bypassed failures p50 p99 max counted".split()
        return dict(zip(names, map(float, found.groups()))) if found else {name: -1 for name in names}


def sound():
    """What comes out is what the chain makes of what goes in."""
    for frames in (1024, 2048):
        for _ in range(20):  # a server that skips a period proves nothing
            with Server(48000, frames, synchronous=True):
                client = Client("--budget", "0", *EFFECTS)
                client.prints("playing")
                test = subprocess.run([f"{OUT}/test_jack", SERVER, "rtwasm", str(frames), *EFFECTS], capture_output=True, text=True, timeout=PATIENCE_S)
                status = client.ends(signal.SIGTERM)
            if test.returncode != 3:
                break
        for line in test.stdout.splitlines():
            if found := re.match("(ok|FAIL) (.*)", line):
                check(found[1] == "ok", f"{frames} frames: {found[2]}", test.stdout + test.stderr)
        check(test.returncode == 0 and status == 0, f"{frames} frames: the test comes to its end, and the client to its own", f"{test}, {status}")
        check(client.report()["failures"] == 0 and client.report()["periods"] > 24, f"{frames} frames: its report counts the periods", client.seen)


def periods():
    """Another period makes another chain; the ports stay."""
    with Server(48000, 128):
        client = Client("--connect", "--budget", "0", *EFFECTS)
        check(client.prints("playing: 48000 Hz, 128 frames"), "it says what it plays", client.seen)
        for frames in (512, 64, 1024):
            subprocess.run(["jack_bufsize", str(frames)], env=environment(), capture_output=True, timeout=PATIENCE_S)
            check(client.prints(f"playing: 48000 Hz, {frames} frames"), f"it follows a change to {frames} frames", client.seen)
        connected = subprocess.run(["jack_lsp", "-c", "rtwasm:out_1"], env=environment(), capture_output=True, text=True, timeout=PATIENCE_S)
        check("system:playback_1" in connected.stdout, "and stays connected", connected)
        check(client.ends(signal.SIGINT) == 0, "it ends when it is told to", client.seen)
        report = client.report()
        check(report["periods"] >= report["counted"] > 0 and report["failures"] == 0, "the report counts what the chain played", report)
        check(report["p50"] <= report["p99"] <= report["max"], "with its times", report)


def death():
    """The server dies."""
    server = Server(48000, 256)
    client = Client("--again", "--budget", "0", *EFFECTS)
    client.prints("playing")
    server.kill()
    check(client.prints("the server has ended"), "it notices that the server has died", client.seen)
    with Server(44100, 512):
        check(client.prints("playing: 44100 Hz, 512 frames"), "it comes back with the next server, at another rate", client.seen)
        check(client.ends(signal.SIGTERM) == 0, "and ends as before", client.seen)
    server = Server(48000, 256)
    client = Client("--budget", "0", *EFFECTS)
    client.prints("playing")
    server.kill()
    check(client.ends() == 3, "without --again it ends with the server, with exit status 3", client.seen)
    check(client.report()["periods"] >= 0, "and still reports", client.seen)
    check(Client(*EFFECTS).ends() == 1, "without a server it ends with exit status 1")
    for wrong in ([], ["--budget", "much", *EFFECTS], ["--colour"]):
        check(Client(*wrong).ends() == 2, f"wrong usage ends with exit status 2: {wrong[:2]}")


def faults():
    """Effects that fail, and that are late."""
    with Server(48000, 128):
        client = Client("--budget", "0", f"{ARTIFACTS}/eq.rtw", f"{ARTIFACTS}/faulty.rtw")
        check(client.prints("an effect has failed; the chain begins anew"), "an effect that traps is made anew", client.seen)
        check(client.prints("an effect has failed; the chain begins anew"), "and plays again until it traps again", client.seen)
        client.ends(signal.SIGTERM)
        check(client.report()["failures"] >= 2, "the report counts both", client.report())
    with Server(48000, 128):
        client = Client(f"{ARTIFACTS}/busy.rtw")
        check(client.prints("an effect has failed; the chain begins anew"), "an effect that takes longer than its budget is cut off", client.seen)
        client.ends(signal.SIGTERM)
    with Server(48000, 128):
        client = Client("--budget", "0", f"{ARTIFACTS}/busy.rtw")
        check(client.prints(r"[1-9]\d* xruns by JACK's count, [1-9]\d* late periods by ours"),
              "without a budget it is late, by JACK's count and by ours", client.seen)
        client.ends(signal.SIGTERM)
        report = client.report()
        check(report["xruns"] >= 1, "the report has JACK's xruns", report)
        check(report["late"] >= 1 and report["max"] > 2667, "and our late periods, one of which is longer than a period", report)
        check(report["failures"] == 0, "which is no failure", report)


for part in (sound, periods, death, faults):
    part()
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
