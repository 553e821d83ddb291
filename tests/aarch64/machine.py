"""An emulated aarch64 machine: two Cortex-A72 in QEMU with Debian's kernel, a C library and busybox, and this tree mounted under its
own path. It starts in seconds, and runs one program at a time.

  machine.py image PACKAGES SYSROOT OUT   makes OUT/kernel and OUT/initramfs of Debian's packages, unpacked in PACKAGES, and of the
                                          cross compiler's libraries in SYSROOT
  machine.py serve IMAGE SOCKET LOG -- COMMAND...
                                          starts the machine, runs COMMAND on this machine, and ends the machine after it. The
                                          variable INSIDE names for COMMAND what runs a program in it:
  machine.py inside COMMAND...            runs a program there, with this environment and folder, if it is one for aarch64; any other
                                          program runs here. Output and exit status are the program's; 124 where it hangs.
INSIDE_HANG_SECONDS, 300 otherwise: how long a program may take. MACHINE_CPU: QEMU's name of it, cortex-a72 otherwise."""
import gzip
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
HUNG = 124
START_S = 240
MODULES = ["virtio_mmio", "9pnet_virtio", "9p"]
LIBRARIES = ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libgcc_s.so.1",
             "libstdc++.so.6"]


def depends(module):
    """What a kernel module says that it needs."""
    with tempfile.NamedTemporaryFile() as section:
        subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "--only-section=.modinfo", module, section.name], check=True)
        fields = Path(section.name).read_bytes().split(b"\0")
    return next((f[8:].decode().split(",") for f in fields if f.startswith(b"depends=") and f != b"depends="), [])


def in_order(folder, wanted, done):
    """The modules' files, each after those that it needs."""
    for name in wanted:
        found = [path for path in folder.rglob("*.ko") if path.stem.replace("-", "_") == name.replace("-", "_")]
        if len(found) != 1:
            sys.exit(f"machine.py: {name}: {len(found)} kernel modules of that name")
        if found[0] not in done:
            in_order(folder, depends(found[0]), done)
            done.append(found[0])
    return done


def image(packages, sysroot, out):
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for folder in ["bin", "lib", "modules", "proc", "sys", "dev", "tmp", "etc"]:
            (root / folder).mkdir()
        shutil.copy(packages / "bin/busybox", root / "bin/busybox")
        shutil.copy(HERE / "init", root / "init")
        (root / "init").chmod(0o755)
        (root / "etc/passwd").write_text("root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        for name in LIBRARIES:
            found = [folder / name for folder in sysroot if (folder / name).exists()]
            if not found:
                sys.exit(f"machine.py: {name} is in none of {', '.join(map(str, sysroot))}")
            shutil.copy(found[0].resolve(), root / "lib" / name)
        modules = in_order(packages / "lib/modules", MODULES, [])
        for module in modules:
            shutil.copy(module, root / "modules" / module.name)
        (root / "modules/order").write_text("".join(f"{module.name}\n" for module in modules))
        names = b"\n".join(str(path.relative_to(root)).encode() for path in sorted(root.rglob("*")))
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=names, cwd=root, stdout=subprocess.PIPE, check=True)
    (out / "initramfs").write_bytes(gzip.compress(archive.stdout, 1))
    kernel = next((packages / "boot").glob("vmlinuz-*"))
    shutil.copy(kernel, out / "kernel")


class Machine:
    """QEMU with its console on a pipe."""

    def __init__(self, image_folder, log):
        # No port of the host's and no network: the console and the tree are all that the machine shares with it.
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", os.environ.get("MACHINE_CPU") or "cortex-a72", "-smp", "2", "-m", "2048",
             "-accel", "tcg,thread=multi", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(image_folder / "kernel"),
             "-initrd", str(image_folder / "initramfs"),
             "-fsdev", f"local,id=tree,path={TREE},security_model=none,multidevs=remap", "-device", "virtio-9p-device,fsdev=tree,mount_tag=tree",
             "-append", f"console=ttyAMA0 loglevel=4 panic=-1 rdinit=/init tree={TREE}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = open(log, "wb", buffering=0)
        self.turn = threading.Lock()
        self.said = threading.Condition()
        self.ready, self.over, self.done = False, False, {}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.qemu.stdout:
            self.log.write(line)
            words = line.decode(errors="replace").split()
            with self.said:
                if words[:1] == ["@ready"]:
                    self.ready = True
                elif words[:1] == ["@broken"]:
                    self.over = True
                elif words[:1] == ["@done"] and len(words) == 3:
                    self.done[words[1]] = int(words[2])
                self.said.notify_all()
        with self.said:
            self.over = True
            self.said.notify_all()

    def say(self, *words):
        self.qemu.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.qemu.stdin.flush()

    def wait(self, condition, seconds):
        with self.said:
            self.said.wait_for(lambda: condition() or self.over, seconds)
            return condition()

    def run(self, job, limit_s):
        with self.turn:
            if self.over:
                return None
            self.say("run", job)
            if self.wait(lambda: job in self.done, limit_s):
                return self.done[job]
            if self.over:
                return None
            self.say("kill")
            self.wait(lambda: job in self.done, 60)
            return HUNG

    def end(self):
        try:
            self.say("off")
            self.qemu.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            self.qemu.kill()
            self.qemu.wait()


def limit():
    return float(os.environ.get("INSIDE_HANG_SECONDS") or 300) * float(os.environ.get("TEST_PATIENCE") or 1)


def serve(image_folder, path, log, command):
    machine = Machine(image_folder, log)
    try:
        if not machine.wait(lambda: machine.ready, START_S) or machine.over:
            print(f"FAIL the machine does not start: its console is in {log}")
            return 1
        Path(path).unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen(8)

        def answer(client):
            with client:
                job, limit_s = client.makefile().readline().split()
                client.sendall(f"{machine.run(job, float(limit_s))}\n".encode())

        def accept():
            while True:
                client, _ = server.accept()
                threading.Thread(target=answer, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        environment = dict(os.environ, INSIDE=f"{sys.executable} {Path(__file__).resolve()} inside", INSIDE_SOCKET=str(Path(path).resolve()))
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        machine.end()


NOT_PASSED = {"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "INSIDE", "INSIDE_SOCKET", "TERM", "LANG"}


def is_for_machine(command):
    """Whether the program, after `env NAME=VALUE ...`, is one for aarch64."""
    words = command[1:] if command[0] == "env" else command
    program = next((word for word in words if "=" not in word), None)
    path = shutil.which(program) if program else None
    if path is None:
        return False
    with open(path, "rb") as file:
        head = file.read(20)
    return head[:4] == b"\x7fELF" and head[18:20] == b"\xb7\x00"


def inside(command):
    if not is_for_machine(command):
        os.execvp(command[0], command)
    folder = TREE / "target/aarch64/jobs"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="", dir=folder, delete=False) as file:
        job = Path(file.name)
    script = [f"cd {shlex.quote(os.getcwd())} || exit 126"]
    # Only what a shell can name, and of what stood in the environment before only what tests set.
    script += [f"export {name}={shlex.quote(value)}" for name, value in os.environ.items() if name.isidentifier() and name not in NOT_PASSED]
    script.append("exec " + shlex.join(command))
    job.with_suffix(".sh").write_text("\n".join(script) + "\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.environ["INSIDE_SOCKET"])
        client.sendall(f"{job} {limit()}\n".encode())
        answer = client.makefile().readline().strip()
    for suffix, stream in ((".out", sys.stdout), (".err", sys.stderr)):
        output = job.with_suffix(suffix)
        if output.exists():
            stream.buffer.write(output.read_bytes())
            stream.buffer.flush()
        output.unlink(missing_ok=True)
    job.with_suffix(".sh").unlink()
    job.unlink()
    if answer in ("", "None"):
        print("FAIL the machine has ended", flush=True)
        return HUNG
    if int(answer) == HUNG:
        print(f"FAIL hung: it had not ended after {limit():.0f} s and was killed", flush=True)
    return int(answer)


def main():
    what, *rest = sys.argv[1:]
    if what == "image":
        return image(Path(rest[0]), [Path(folder) for folder in rest[1:-1]], Path(rest[-1]))
    if what == "serve":
        return serve(Path(rest[0]), rest[1], rest[2], rest[rest.index("--") + 1:])
    if what == "inside":
        return inside(rest)
    sys.exit(__doc__)


sys.exit(main())
