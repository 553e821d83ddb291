"""Parses SVG files as XML. --text TEXT: each file must show that text; --bars N: each must have at least N bars."""
import sys
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


def require(condition, message):
    if not condition:
        sys.exit(message)


def check_file(file, texts, bars):
    root = ET.parse(file).getroot()
    require(root.tag == SVG + "svg", f"{file}: the root is {root.tag}")
    shown = ["".join(element.itertext()) for element in root.iter(SVG + "text")]
    for text in texts:
        require(any(text in words for words in shown), f"{file}: {text!r} is not among {shown}")
    drawn = sum(rect.get("class") in ("bar", "late") for rect in root.iter(SVG + "rect"))
    require(drawn >= bars, f"{file}: {drawn} bars, expected at least {bars}")
    for element in root.iter():
        for name, value in element.attrib.items():
            require("nan" not in value and "inf" not in value, f"{file}: {element.tag} {name}={value}")


def main(arguments):
    files, texts, bars = [], [], 0
    while arguments:
        word = arguments.pop(0)
        if word == "--text":
            texts.append(arguments.pop(0))
        elif word == "--bars":
            bars = int(arguments.pop(0))
        else:
            files.append(word)
    require(files, "no files")
    for file in files:
        check_file(file, texts, bars)


main(sys.argv[1:])
