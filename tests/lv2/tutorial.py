"""Makes a script of the tutorial: tutorial.py PAGE FOLDER writes FOLDER/commands.sh. The page's indented lines are commands, and each fenced
block is a file, whose name is at the end of the paragraph before. Prints the number of commands."""
import re
import sys
from pathlib import Path

page, folder = Path(sys.argv[1]), Path(sys.argv[2])
script, before, block, count = ["set -eux"], "", None, 0
for line in page.read_text().splitlines():
    if line.startswith("```") and block is None:
        name = re.search(r"\*\*([\w.]+)\*\*:$", before.strip())
        if not name:
            sys.exit(f"{page}: a block without a file: {before}")
        block = [f"cat >{name.group(1)} <<'END-OF-FILE'"]
    elif line.startswith("```"):
        script += [*block, "END-OF-FILE"]
        block = None
    elif block is not None:
        block.append(line)
    elif line.startswith("    "):
        script.append(line.strip())
        count += 1
    elif line:
        before = line
folder.joinpath("commands.sh").write_text("\n".join(script) + "\n")
print(count)
