#!/usr/bin/env python3
"""A machine's files as one text, and back. `tree.py unpack TREE FOLDER` makes FOLDER; `tree.py pack FOLDER` prints its text.

A line `== PATH` begins a file; what follows, up to the next such line, is its content. Words in brackets behind the path say what
differs from a plain text file of mode 644:
    == proc/config.gz (gzip)            the text is packed
    == proc/1/environ (base64)          the content is base64: bytes that are not text, or a line that begins with `== `
    == proc/irq/default (no newline)    the content ends without a newline
    == sbin/init (mode 755)             it has that mode
    == sys/fs/cgroup/ (mode 700)        a folder: only one that is empty, or has another mode than 755, needs a line
    == proc/1/exe -> /sbin/init         a symbolic link
"""
import base64
import gzip
import os
import re
import sys

HEAD = re.compile(r"== (.+?)(?: -> (.+?))?(?: \(([^()]+)\))?")


def packed(path):
    """The content of the file as text, and the words that go with it."""
    with open(path, "rb") as file:
        content = file.read()
    words = []
    if content[:2] == b"\x1f\x8b" and gzip.compress(gzip.decompress(content), mtime=0) == content:
        content, words = gzip.decompress(content), ["gzip"]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\r"
    if re.search(r"^== |[^\t\n\x20-\x7e\x80-\U0010ffff]", text, re.M):
        return base64.encodebytes(content).decode("ascii"), words + ["base64"]
    if text and not text.endswith("\n"):
        return text + "\n", words + ["no newline"]
    return text, words


def head(path, mode, usual, words=(), target=None):
    words = [*words, *([f"mode {mode:o}"] if mode != usual else [])]
    return f"== {path}" + (f" -> {target}" if target else "") + (" (" + ", ".join(words) + ")" if words else "") + "\n"


def pack(root):
    for folder, folders, files in os.walk(root):
        folders.sort()
        mode = os.stat(folder).st_mode & 0o7777
        inside = os.path.relpath(folder, root)
        if inside != "." and (mode != 0o755 or not folders + files):
            yield head(f"{inside}/", mode, 0o755)
        for name in sorted(files + [name for name in folders if os.path.islink(f"{folder}/{name}")]):
            path = f"{folder}/{name}"
            inside = os.path.relpath(path, root)
            if os.path.islink(path):
                yield head(inside, 0, 0, target=os.readlink(path))
            else:
                text, words = packed(path)
                yield head(inside, os.stat(path).st_mode & 0o7777, 0o644, words) + text


def entries(text):
    """Path, target of a link or None, words, content as text; for each file."""
    for part in re.split(r"^(?=== )", text, flags=re.M):
        head, _, content = part.partition("\n")
        if part:
            path, target, words = HEAD.fullmatch(head).groups()
            yield path, target, words.split(", ") if words else [], content


def unpack(tree, root):
    modes = {}
    with open(tree, encoding="utf-8", newline="") as file:
        text = file.read()
    os.makedirs(root)
    for path, target, words, content in entries(text):
        path = f"{root}/{path}"
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if target:
            os.symlink(target, path)
            continue
        if not path.endswith("/"):
            data = (content.removesuffix("\n") if "no newline" in words else content).encode("utf-8")
            data = base64.b64decode(data) if "base64" in words else data
            with open(path, "wb") as file:
                file.write(gzip.compress(data, mtime=0) if "gzip" in words else data)
        modes[path] = next((int(word.split()[1], 8) for word in words if word.startswith("mode ")), 0o755 if path.endswith("/") else 0o644)
    for path in sorted(modes, reverse=True):
        os.chmod(path, modes[path])


if __name__ == "__main__":
    if sys.argv[1:2] == ["unpack"] and len(sys.argv) == 4:
        unpack(*sys.argv[2:])
    elif sys.argv[1:2] == ["pack"] and len(sys.argv) == 3:
        sys.stdout.writelines(pack(sys.argv[2]))
    else:
        sys.exit(__doc__)
