"""Runs a test under a guard: a command that does not end is killed, with all that it has started, and named; and so is what it
leaves behind. Also tells how a command is repeated.

  guard.py run [--limit SECONDS] [--log FILE] [--errors FILE] -- COMMAND...
      Runs the command, with its output in the files where such are given. Exit status: the command's (128 + N after signal N);
      124 where it hung or left processes running. What there is to say of that is printed to this program's own output.
  guard.py repeat BEFORE NOW -- COMMAND...
      Prints the command as a line for a shell: with the folder, and the variables that differ between two files that `env -0` has
      written.

The limit is for commands that hang, not for slow ones: TEST_PATIENCE, 1 otherwise, multiplies it."""
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

HUNG = 124
PR_SET_CHILD_SUBREAPER = 36
# The time that a command's last processes have to end after it.
GRACE_S = 5


def below(ancestor):
    """The processes below one, as pid -> command line; zombies apart, which have ended."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        parents[int(folder.name)] = int(parent)
        if state not in "ZX":
            names[int(folder.name)] = line
    found, front = {}, {ancestor}
    while front:
        front = {pid for pid, parent in parents.items() if parent in front}
        found.update({pid: names[pid] for pid in front if pid in names})
    return found


def reap():
    """Collects what has ended of those that were handed to us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def kill_below():
    """Ends every process below this one. They are handed to us when their parents end, also those with a session of their own."""
    while alive := below(os.getpid()):
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        time.sleep(0.01)
    reap()


def last_line(path):
    if path is None or not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else None


def name(processes):
    for pid, line in sorted(processes.items()):
        print(f"    running: {pid} {line[:300]}")


def run(command, limit_s, log, errors):
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit(f"guard.py: prctl: {os.strerror(ctypes.get_errno())}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: (kill_below(), os._exit(128 + number)))
    output = log.open("wb") if log else None
    own_errors = errors.open("wb") if errors else (subprocess.STDOUT if log else None)
    try:
        child = subprocess.Popen(command, stdout=output, stderr=own_errors, start_new_session=True)
    except OSError as error:
        print(f"FAIL {command[0]}: {error.strerror}")
        return 127
    try:
        status = child.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        running = below(os.getpid())
        kill_below()
        print(f"FAIL hung: it had not ended after {limit_s:.0f} s and was killed")
        print(f"    the last line it printed: {last_line(log) or '(none)'}")
        name(running)
        return HUNG
    end = time.monotonic() + GRACE_S
    while (left := below(os.getpid())) and time.monotonic() < end:
        reap()
        time.sleep(0.02)
    if left:
        kill_below()
        print("FAIL left behind: it had ended, but not what it had started, which was killed")
        name(left)
        return HUNG
    return status if status >= 0 else 128 - status


def read_environment(path):
    entries = Path(path).read_bytes().decode(errors="replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def repeat(before, now, command):
    before, now = read_environment(before), read_environment(now)
    ours = {"TEST_ENVIRONMENT", "TEST_PYTHON", "PWD", "OLDPWD", "SHLVL", "_", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    variables = [f"{key}={shlex.quote(value)}" for key, value in sorted(now.items()) if key not in ours and before.get(key) != value]
    print(" ".join(["cd", shlex.quote(os.getcwd()), "&&", *variables, shlex.join(command)]))
    return 0


def main():
    what, *rest = sys.argv[1:]
    split = rest.index("--")
    options, command = rest[:split], rest[split + 1:]
    if what == "repeat":
        return repeat(*options, command)
    options = dict(zip(options[::2], options[1::2]))
    limit_s = float(options.get("--limit", 600)) * float(os.environ.get("TEST_PATIENCE") or 1)
    file = lambda option: Path(options[option]) if option in options else None
    return run(command, limit_s, file("--log"), file("--errors"))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.exit(status)
