"""Holds what the documents name against the tree.

check_docs.py names DOCS ROOT RTWASM    every name in the .md files below DOCS, against the tree at ROOT: functions and constants,
                                        make targets, files, links, options of the command; prints `ok`/`FAIL` lines and their sum
check_docs.py example README.md OUT     writes to OUT the README's gain.wat and gain.c, its commands as commands.sh, and its lines
                                        for CMake as lines.cmake
check_docs.py programs PAGE OUT         writes to OUT the programs that a page shows under a line that begins with their names; prints names
check_docs.py commands DOCS             prints the `rtwasm` commands that pages show: folder (the root for those below docs and guests), tab, arguments
"""
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "header"))
from cheader import GUESTS_NAMES  # noqa: E402 (it is found there)

# Every `path` of these has to exist; the others' are checked for functions, constants and links only.
STRICT = re.compile(r"README\.md|CONTRIBUTING\.md|SECURITY\.md|docs/.*\.md|examples-c/(.*/)?README\.md|guests/templates/README\.md")
CHECKED_EXTENSIONS = (".md", ".toml", ".lock", ".sh", ".rs", ".py", ".h", ".c", ".wat", ".mk")
MAX_EXAMPLE_LINES = 24

counts = {"ok": 0, "FAIL": 0}


def check(condition, what):
    verdict = "ok" if condition else "FAIL"
    counts[verdict] += 1
    print(verdict, what)


class Doc:
    """One document: its prose, its code blocks, where it belongs in the tree."""

    def __init__(self, docs, path):
        self.name = path.relative_to(docs).as_posix()
        self.folder = Path(self.name).parent
        self.text = path.read_text()
        self.blocks, self.prose = split_blocks(self.text)
        self.inline = re.findall(r"`([^`\n]+)`", self.prose)

    @property
    def strict(self):
        return STRICT.fullmatch(self.name) is not None

    def code_lines(self):
        lines = [line for _, _, block in self.blocks for line in block.replace("\\\n", " ").splitlines()]
        return [line.strip() for line in lines if line.strip()]


def split_blocks(text):
    """Code blocks as (language, paragraph before, text), where the language of an indented block is ''; and the rest."""
    blocks, prose, code, language, fenced = [], [], [], "", False
    before = ""

    def end_block():
        if code:
            blocks.append((language, before.strip(), "\n".join(code).strip("\n") + "\n"))
            code.clear()

    for line in text.splitlines():
        if line.startswith("```"):
            end_block()
            fenced = not fenced
            language = line[3:].strip() if fenced else ""
        elif fenced or (line.startswith("    ") and not before.startswith(("-", "1."))):
            code.append(line if fenced else line[4:])
        elif not line.strip() and code:
            code.append("")
        else:
            end_block()
            prose.append(line)
            before = line if line.strip() else before
    end_block()
    return blocks, "\n".join(prose)


def documents(docs):
    found = []
    for folder, folders, files in os.walk(docs):
        folders[:] = sorted(name for name in folders if name not in ("target", ".git"))
        found += [Doc(docs, Path(folder) / name) for name in sorted(files) if name.endswith(".md")]
    return found


# ---- functions and constants ----


def check_names(doc, known):
    missing = set()
    known = known | GUESTS_NAMES
    for match in re.finditer(r"\b(?:rtw|RTW)_\w*", doc.text):
        name = match.group()
        family = name.endswith("_")  # `RTW_ERR_TRAP_...`
        if not (any(k.startswith(name) for k in known) if family else name in known):
            missing.add(name)
    check(not missing, f"{doc.name}: functions, types and constants are in the headers" + told(missing))


def check_guests_names(root):
    """The names that guests export or import are an exception only while the engine knows them."""
    known = {name for file in (root / "src/engine").rglob("*.rs") for name in re.findall(r'"(rtw_\w+)"', file.read_text())}
    missing = GUESTS_NAMES - known
    check(not missing, "src/engine: it knows the names that guests export or import" + told(missing))


def told(missing):
    return ": not " + ", ".join(sorted(missing)) if missing else ""


# ---- make ----


def targets_of(makefile):
    if not makefile.is_file():
        return set()
    rules = re.findall(r"^([\w.$()-][^:=#\n\t]*):(?!=)", makefile.read_text(), re.MULTILINE)
    return {word for rule in rules for word in rule.split()}


def check_make(doc, root):
    missing, seen = set(), 0
    for line in doc.inline + doc.code_lines():
        if not re.match(r"make( |$)", line):
            continue
        words = shlex.split(line.replace("…", "x").split(" #")[0])[1:]
        folder = root / doc.folder if (root / doc.folder / "Makefile").is_file() else root
        while words:
            word = words.pop(0)
            if word == "-C":
                place = words.pop(0)
                folder = next((base / place for base in (root / doc.folder, root) if (base / place / "Makefile").is_file()), None)
                if folder is None:
                    missing.add(f"-C {place}")
                    break
            elif not word.startswith("-") and "=" not in word:
                seen += 1
                if word not in targets_of(folder / "Makefile"):
                    missing.add(word)
    if seen or missing:
        check(not missing, f"{doc.name}: make targets exist ({seen})" + told(missing))


# ---- files ----


def is_path(word):
    if not re.fullmatch(r"[\w.+-]+(/[\w.+*-]+)*/?", word):
        return False
    return "/" in word or word.endswith(CHECKED_EXTENSIONS)


def check_paths(doc, root, own_files):
    built_by = "".join((root / name).read_text() for name in ("Makefile", "tests/run.sh"))
    missing, seen = set(), 0
    for word in filter(is_path, doc.inline):
        if word in own_files:
            continue
        seen += 1
        places = (root / doc.folder, root)
        there = any((base / word).exists() or any(base.glob(word)) for base in places)
        made = word.startswith("target/") and re.search(re.escape(word) + r"\b", built_by)
        if not (there or made):
            missing.add(word)
    if seen:
        check(not missing, f"{doc.name}: files and folders exist ({seen})" + told(missing))


# ---- links ----


def anchors_of(text):
    """Headings as GitHub makes anchors of them."""
    _, prose = split_blocks(text)
    headings = re.findall(r"^#+ +(.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(doc, docs, root):
    missing, seen = set(), 0
    for target in re.findall(r"\]\(([^)\s]+)\)", doc.prose):
        if re.match(r"[a-z]+:", target):
            continue
        seen += 1
        file, _, anchor = target.partition("#")
        relative = os.path.normpath(doc.folder / file) if file else doc.name
        if not (root / relative).exists():
            missing.add(target)
        elif anchor and anchor not in anchors_of((docs / relative).read_text()):
            missing.add(target)
    if seen:
        check(not missing, f"{doc.name}: links lead somewhere ({seen})" + told(missing))


# ---- the command ----


def check_command(doc, rtwasm):
    missing, seen = set(), 0
    for line in doc.inline + doc.code_lines():
        match = re.search(r"(?:^|[\s/])rtwasm ((?!-)\w+)([^;|]*)", line.split(" #")[0])
        if not match:
            continue
        seen += 1
        told_by = subprocess.run([rtwasm, match.group(1), "--help"], capture_output=True, text=True)
        if told_by.returncode != 0:
            missing.add(match.group(1))
        options = re.findall(r"(?<!\S)--?[a-z][\w-]*", match.group(2))
        missing.update(option for option in options if not re.search(rf"{option}\b", told_by.stdout))
    if seen:
        check(not missing, f"{doc.name}: the command has what is shown of it ({seen})" + told(missing))


def shown_commands(doc):
    """The complete `rtwasm` commands in code blocks; in a loop, of its first turn."""
    for _, _, block in doc.blocks:
        text = block.replace("\\\n", " ")
        loop = re.search(r"for (\w+) in ([^\s;]+)", text)
        for match in re.finditer(r"(?:^|[\s/])rtwasm ((?:compile|inspect) [^;|\n]+)", text):
            arguments = match.group(1)
            if loop:
                arguments = arguments.replace("$" + loop.group(1), loop.group(2))
            yield arguments.split(" #")[0].strip()


# ---- the README's example ----


def example_files(doc):
    """Name and text of each block that a paragraph beginning with `name` announces."""
    files = {}
    for language, before, block in doc.blocks:
        match = re.match(r"`([\w.]+)`", before)
        if language and match and match.group(1).endswith("." + language):
            files[match.group(1)] = block
    return files


def write_example(readme, out):
    doc = Doc(readme.parent, readme)
    files = example_files(doc)
    commands = [block for language, _, block in doc.blocks if not language and "rtwasm compile" in block]
    cmake = [block for language, _, block in doc.blocks if language == "cmake"]
    if set(files) != {"gain.wat", "gain.c"} or (len(commands), len(cmake)) != (1, 1):
        sys.exit(
            f"the README has {sorted(files)}, {len(commands)} blocks of commands and {len(cmake)} for CMake, "
            "not gain.wat, gain.c and one of each"
        )
    lines = sum(bool(line.strip()) for line in files["gain.c"].splitlines())
    if lines > MAX_EXAMPLE_LINES:
        sys.exit(f"the README's C example has {lines} lines, more than {MAX_EXAMPLE_LINES}")
    out.mkdir(parents=True, exist_ok=True)
    for name, text in {**files, "commands.sh": commands[0], "lines.cmake": cmake[0]}.items():
        (out / name).write_text(text)


def write_programs(page, out):
    for name, text in example_files(Doc(page.parent, page)).items():
        (out / name).write_text(text)
        print(name)


# ---- the list of host states ----


def check_states(docs, root):
    """Every row of a table that ends with `shown by` names a test and a text in it, and both are there."""
    name, rows, table = "docs/hosts.md", 0, False
    wrong = []
    for line in (docs / name).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
        if cells and cells[-1] == "shown by":
            table = True
        elif not cells:
            table = False
        elif table and not set(line) <= set("|-"):
            rows += 1
            shown = re.findall(r'`([^`]+)` "([^"]+)"', cells[-1])
            if not shown or len(shown) != len(cells[-1].split("; ")):
                wrong.append(f"{cells[0]}: no test")
            for path, text in shown:
                if not (root / path).is_file():
                    wrong.append(f"{path}")
                elif text not in (root / path).read_text():
                    wrong.append(f"{path} has no {text!r}")
    check(rows > 0 and not wrong, f"{name}: every row names a test that is there" + told(wrong))


# ---- figures and lists ----

# Figures that documents take from the source: document and pattern, source and pattern, and what makes one of the other.
FIGURES = [
    ("docs/artifacts.md", r"version of the envelope, (\d+)", "src/engine/artifact/mod.rs", r"pub const VERSION: u32 = (\d+);"),
    ("docs/artifacts.md", r"The header has (\d+) bytes", "src/engine/artifact/mod.rs", r"const HEADER_BYTES: usize = (\d+);"),
    ("docs/artifacts.md", r"(\d+) bytes for each section", "src/engine/artifact/mod.rs", r"const ENTRY_BYTES: usize = (\d+);"),
    ("docs/artifacts.md", r"sections, at most (\d+)", "src/engine/artifact/mod.rs", r"const MOST_ENTRIES: u32 = (\d+);"),
    ("docs/design.md", r"margin of (\d+) KiB", "src/rt/permit.rs", r"pub const MARGIN_BYTES: usize = (\d+) << 10;"),
    ("docs/real-time-contract.md", r"these and (\d+) KiB more", "src/rt/permit.rs", r"pub const MARGIN_BYTES: usize = (\d+) << 10;"),
    ("docs/workers.md", r"lists the (\d+) steps", "src/worker/ledger.rs", r"pub const WORST: usize = (\d+);"),
    ("docs/statistics.md", r"below (\d+) ticks", "src/record/histogram.rs", r"const SUB_BITS: u32 = (\d+);"),
    ("docs/statistics.md", r"up to 2\^(\d+) ticks", "src/record/histogram.rs", r"const VALUE_BITS: u32 = (\d+);"),
]


def check_figures(docs, root):
    for name, shown, source, pattern in FIGURES:
        told_by, known = re.search(shown.replace(" ", r"\s+"), (docs / name).read_text()), re.search(pattern, (root / source).read_text())
        if not (told_by and known):
            check(False, f"{name}: {shown}: not in " + (source if told_by else name))
            continue
        wanted = 1 << int(known.group(1)) if "SUB_BITS" in pattern else int(known.group(1))
        check(int(told_by.group(1)) == wanted, f"{name}: {' '.join(told_by.group().split())}: {wanted} in {source}")


def check_lists(docs, root):
    """What the design page lists, against the source."""
    name = "docs/design.md"
    text = (docs / name).read_text()
    families = {f"-{number[0]}xx" for number in re.findall(r"rtw_status_t = -(\d+);", (root / "src/status.rs").read_text())}
    shown = set(re.findall(r"-\dxx", text))
    check(shown == families, f"{name}: the families of statuses are those there are" + told(shown ^ families))
    folders = {f"src/{entry.name}" for entry in (root / "src").iterdir() if entry.is_dir()}
    shown = set(re.findall(r"^\| `(src/\w+)` \|", text, re.MULTILINE))
    check(shown == folders, f"{name}: each folder of src has a row" + told(shown ^ folders))
    nouns = {entry.parent.name if entry.stem == "mod" else entry.stem for entry in (root / "src/capi").rglob("*.rs") if re.search(r"^pub struct rtw_\w+_t", entry.read_text(), re.MULTILINE)}
    words = set(re.findall(r"^\| (\w+) \|", text, re.MULTILINE))
    lacking = {noun for noun in ("runtime", "module", "imports", "instance", "slot", "worker", "interval", "recorder") if noun in nouns} - words
    check(not lacking, f"{name}: each noun of the API is among its words" + told(lacking))
    systems = re.search(r"^## What a port touches\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\|.*", systems.group(1), re.MULTILINE) if systems else []
    shown = set(re.findall(r"`(src/\w+/[\w/]+\.rs)`", "".join(rows)))
    used = {file.relative_to(root).as_posix() for file in (root / "src").rglob("*.rs") if is_of_a_processor(file)}
    check(bool(systems) and shown == used, f"{name}: a port touches what it says" + told(shown ^ used))


def is_of_a_processor(file):
    """Whether its code is another one for each processor, its tests apart."""
    code = file.read_text().split("#[cfg(test)]\nmod tests")[0]
    return re.search(r"\btarget_arch\b|\basm!", code) is not None


# ---- the version ----


def check_version(docs, root):
    cargo = (root / "Cargo.toml").read_text()
    version = re.search(r'^version = "([^"]+)"', cargo, re.MULTILINE).group(1)
    engine = re.search(r'^wasmtime = \{ version = "=([^"]+)"', cargo, re.MULTILINE).group(1)
    changes = (docs / "CHANGELOG.md").read_text()
    latest = re.search(r"^## (\S+?),? .*\n((?:(?!^## ).*\n?)*)", changes, re.MULTILINE)
    check(latest.group(1) == version, f"CHANGELOG.md: its first entry is version {version}")
    check(f"Wasmtime {engine}" in latest.group(2), f"CHANGELOG.md: it names Wasmtime {engine}")


def check_core(docs, root):
    """The functions that are enough to run a guest, where a newcomer looks first: all there, in one order."""
    page = (docs / "docs/abi.md").read_text()
    core = re.findall(r"`(rtw_\w+)`", re.search(r"The core is eight functions:(.*?)\.", page, re.DOTALL).group(1))
    check(len(core) == 8, f"docs/abi.md: the core is eight functions: {len(core)}")
    preamble = (root / "include/rtwasm.h").read_text().split("*/")[0]
    check(re.findall(r"^ \*   (rtw_\w+) ", preamble, re.MULTILINE) == core, "include/rtwasm.h: it begins with the core, in its order")
    program = re.search(r"```c\n(.*?)```", (docs / "README.md").read_text(), re.DOTALL).group(1)
    for name, text in ("README.md", program), ("examples-c/minimal/minimal.c", (root / "examples-c/minimal/minimal.c").read_text()):
        first = [text.find(function + "(") for function in core]
        check(-1 not in first and first == sorted(first), f"{name}: the first program calls the core, in its order" + told(
            {function for function, at in zip(core, first) if at < 0}))


def check_all(docs, root, rtwasm):
    header = "".join(part.read_text() for part in sorted((root / "include").rglob("*.h")))
    known = set(re.findall(r"\b(?:rtw|RTW)_\w+", re.sub(r"/\*.*?\*/|//.*?$", "", header, flags=re.DOTALL | re.MULTILINE)))
    known |= {path.stem for path in (root / "guests/include").glob("*.h")}  # the headers for guests, by their names
    for doc in documents(docs):
        check_names(doc, known)
        check_links(doc, docs, root)
        if doc.strict:
            check_make(doc, root)
            check_paths(doc, root, example_files(doc))
            check_command(doc, rtwasm)
    check_guests_names(root)
    check_states(docs, root)
    check_core(docs, root)
    check_figures(docs, root)
    check_lists(docs, root)
    check_version(docs, root)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed")
    return 1 if counts["FAIL"] else 0


def main(arguments):
    match arguments:
        case ["names", docs, root, rtwasm]:
            return check_all(Path(docs), Path(root), rtwasm)
        case ["example", readme, out]:
            return write_example(Path(readme), Path(out))
        case ["programs", page, out]:
            return write_programs(Path(page), Path(out))
        case ["commands", docs]:
            for doc in documents(Path(docs)):
                # The tutorial's commands need those before them: tests/lv2/test_tutorial.sh runs all. The page of plug-ins goes on with
                # the tutorial's files: tests/lv2 and tests/ladspa make such plug-ins.
                if doc.strict and doc.folder != Path(".") and doc.name not in ("docs/tutorial.md", "docs/plugins.md"):
                    for arguments in shown_commands(doc):
                        print(f"{'.' if doc.folder.parts[0] in ('docs', 'guests') else doc.folder.as_posix()}\t{arguments}")
            return 0
    sys.exit(__doc__)


sys.exit(main(sys.argv[1:]))
