"""Are the headers' comments complete? `check_docs.py HEADER...` prints what is missing, one line each, and fails if there is any.

Several headers count as one: what a comment in one of them names may be declared in another.
"""
import os
import re
import sys

from cheader import GUESTS_NAMES, parse

ROLES = ("[setup]", "[rt]", "[rt & attached]", "[rt & attached & prepared]", "[rt & in block]", "[any]")


def check_function(item):
    lines = [line.strip() for line in item.comment.split("\n")]
    tags = [re.match(r"\[[^\]]*\]", line)[0] for line in lines if re.match(r"\[[^\]]*\]", line)]
    nonblocking = item.text.rstrip(";").endswith("RTW_NONBLOCKING")
    if len(tags) != 1:
        yield f"{len(tags)} role lines instead of one"
    elif tags[0] not in ROLES:
        yield f"unknown role {tags[0]}"
    if lines[0].startswith("["):
        yield "the comment does not start with what the function does"
    if item.text.startswith("rtw_status_t ") and not any(re.match(r"errors:|returns\b", line) for line in lines):
        yield "answers a status but has no line `errors:` or `returns`"
    errors = re.search(r"^errors:(.*?)(?=^\S|\Z)", item.comment, re.DOTALL | re.MULTILINE)
    if errors and "RTW_ERR_NO_MEMORY" in errors[1]:
        yield "names RTW_ERR_NO_MEMORY among its errors, which the header says once for all functions"
    real_time = any(tag.startswith("[rt") for tag in tags)
    if real_time and not nonblocking:
        yield "is for real-time threads but not marked RTW_NONBLOCKING"
    if real_time and not any(line.startswith("Use it ") for line in lines):
        yield "does not say when to use it"
    if (real_time or nonblocking) and not any(line.startswith("real time:") for line in lines):
        yield "has no line `real time:`"


def check_item(item):
    if not item.comment or not item.comment.strip():
        yield "has no comment"
    elif item.kind in ("function", "inline"):
        yield from check_function(item)
    for field in item.fields:
        if not field.comment or not field.comment.strip():
            yield f"its field {field.name} has no comment"


def unknown_names(items):
    """Names of ours in comments that nothing declares; one that ends in an underscore stands for all that start so."""
    known = {item.name for item in items} | {"RTW_NONBLOCKING"} | GUESTS_NAMES
    for item in items:
        for comment in [item.comment, *(field.comment for field in item.fields)]:
            for name in re.findall(r"\b(?:rtw|RTW)_\w+", comment or ""):
                family = name.endswith("_") and any(other.startswith(name) for other in known)
                if name not in known and not family and name != "RTW_ERR_":
                    yield f"{item.name}: its comment names {name}, which is not declared"


def main():
    items, problems = [], []
    for path in sys.argv[1:]:
        of_this = parse(path)
        items += of_this
        problems += [f"{os.path.basename(path)}: {item.name}: {what}" for item in of_this for what in check_item(item)]
    problems += unknown_names(items)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
