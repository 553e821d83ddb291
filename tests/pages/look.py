"""Looks at pages as a browser shows them, in both colour schemes, wide and narrow, and counts pixels.

look.py [--pictures FOLDER] [--only SCHEME,WIDTH] FILE...    prints `ok` and `FAIL` lines and their sum

What is looked at:
  curves      each is a thin line of its colour: about as many pixels as its length and width make, not the area below it
  bars        each series has pixels of its own
  text        stands out from what is behind it, and is large enough to be read
  page        is no wider than the window; what is wide in it scrolls on its own
"""
import sys
from collections import Counter
from pathlib import Path

from PIL import Image

from browser import SCALE, Browser

WIDTHS = {"wide": 1200, "narrow": 400}
SCHEMES = ["light", "dark"]
# A text's contrast to its background, as WCAG 2 defines it for small text (level AA).
CONTRAST = 4.5
SMALLEST_TEXT_PX = 8.5
# The ratio of a curve's pixels to its length times its width: others may lie on top of a part of it; joints add to it.
CURVE_LEAST, CURVE_MOST = 0.1, 1.6
# The share of a plot's area that all curves of one colour may cover.
FILLED = 0.06

passed = failed = 0


def check(condition, what):
    global passed, failed
    passed, failed = passed + bool(condition), failed + (not condition)
    print(f"{'ok' if condition else 'FAIL'} {what}", flush=True)


def luminance(colour):
    def linear(part):
        part /= 255
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(part) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def colours(picture):
    return Counter({colour: count for count, colour in picture.getcolors(picture.width * picture.height)})


def near(one, other, distance=12):
    return all(abs(a - b) <= distance for a, b in zip(one, other))


def pixels(counted, colour):
    return sum(count for other, count in counted.items() if near(other, colour))


def cut(picture, box):
    left, top, width, height = (round(side * SCALE) for side in box)
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    return picture.crop((max(left, 0), max(top, 0), right, bottom)) if right > max(left, 0) and bottom > max(top, 0) else None


# Boxes are in the page's pixels, from its top left corner.
PLOTS = """
(() => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.x + scrollX, r.y + scrollY, r.width, r.height]; };
  const paint = (e, what) => getComputedStyle(e)[what];
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  return [...document.querySelectorAll('svg')].map(svg => ({
    box: box(svg),
    curves: [...svg.querySelectorAll('polyline')].map(line => {
      const scale = line.getScreenCTM().a;
      const width = parseFloat(paint(line, 'stroke-width'));
      return {name: line.getAttribute('class'), colour: rgb(paint(line, 'stroke')),
              area: line.getTotalLength() * width * scale * scale};
    }),
    bars: [...new Set([...svg.querySelectorAll('rect[class]')].map(bar => bar.getAttribute('class')))].map(name => {
      const bars = [...svg.querySelectorAll('rect.' + name)];
      return {name, count: bars.length, boxes: bars.map(box)};
    }),
  }));
})()"""

TEXTS = """
(() => {
  const found = [];
  const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode, element = text.parentElement;
    if (!text.data.trim() || ['TITLE', 'STYLE', 'title', 'style'].includes(element.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const matrix = element.getScreenCTM ? element.getScreenCTM() : {a: 1, b: 0};
    const size = parseFloat(getComputedStyle(element).fontSize) * Math.hypot(matrix.a, matrix.b);
    for (const r of range.getClientRects()) {
      found.push({text: text.data.trim().slice(0, 40), size, box: [r.x + scrollX, r.y + scrollY, r.width, r.height]});
    }
  }
  return found;
})()"""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Dots have their curves' colours, and could be taken for them.
UNFOLD = """
for (const dot of document.querySelectorAll('circle')) dot.style.visibility = 'hidden';
for (const element of document.querySelectorAll('*')) {
  if (getComputedStyle(element).overflowX === 'auto' && element.scrollWidth > element.clientWidth)
    element.style.overflowX = 'visible';
}"""


def look_at_plot(where, picture, plot):
    if (shown := cut(picture, plot["box"])) is None:
        check(False, f"{where}: it can be seen")
        return
    counted = colours(shown)
    whole = shown.width * shown.height
    # A series may have several curves.
    areas = {}
    for curve in plot["curves"]:
        key = curve["name"], tuple(curve["colour"])
        areas[key] = areas.get(key, 0) + curve["area"] * SCALE * SCALE
    for (name, colour), expected in areas.items():
        seen = pixels(counted, colour)
        check(expected * CURVE_LEAST <= seen <= expected * CURVE_MOST and seen <= FILLED * whole,
              f"{where}: curve {name} is a line: {seen} pixels, its length and width make {expected:.0f}")
    for bars in plot["bars"]:
        background = counted.most_common(1)[0][0]
        boxes = [cut(picture, box) for box in bars["boxes"]]
        seen = sum(1 for box in boxes if box is not None and any(not near(c, background, 24) for c in colours(box)))
        check(seen == bars["count"] > 0, f"{where}: {seen} of {bars['count']} bars {bars['name']} can be seen")


def look_at_texts(where, picture, texts):
    small = {(round(text["size"], 1), text["text"]) for text in texts if text["size"] < SMALLEST_TEXT_PX}
    check(texts and not small, f"{where}: {len(texts)} pieces of text are large enough, {sorted(small)[:3]}")
    pale = []
    for text in texts:
        shown = cut(picture, text["box"])
        if shown is None:
            pale.append(("outside the picture", text["text"]))
            continue
        counted = colours(shown)
        background = counted.most_common(1)[0][0]
        found = max(contrast(colour, background) for colour in counted)
        if found < CONTRAST:
            pale.append((round(found, 2), text["text"]))
    check(not pale, f"{where}: text stands out, {pale[:3]}")


def look_at(browser, path, pictures, only):
    for scheme in SCHEMES:
        for name, width in WIDTHS.items():
            if only and only != f"{scheme},{name}":
                continue
            where = f"{path.name}, {scheme}, {name}"
            browser.show(path, width, scheme)
            if pictures:
                browser.picture().save(pictures / f"{path.stem}-{scheme}-{name}.png")
            over = browser.value(OVERFLOW)
            check(over <= 0, f"{where}: nothing is wider than the window ({over} px)")
            # From here on what scrolls in the page is shown whole.
            browser.value(UNFOLD)
            wide = browser.value("document.documentElement.scrollWidth"), browser.value("document.documentElement.scrollHeight")
            picture = browser.picture((0, 0, *wide))
            plots = browser.value(PLOTS)
            for number, plot in enumerate(plots, 1):
                look_at_plot(f"{where}, plot {number}", picture, plot)
            look_at_texts(where, picture, browser.value(TEXTS))
            paper = picture.getpixel((2, 2))
            dark = luminance(paper) < 0.2
            check(dark == (scheme == "dark"), f"{where}: the paper is {paper}")


def main(arguments):
    pictures = only = None
    while arguments[0].startswith("--"):
        option, value, *arguments = arguments
        if option == "--pictures":
            pictures = Path(value)
            pictures.mkdir(parents=True, exist_ok=True)
        else:
            only = value
    Image.MAX_IMAGE_PIXELS = None
    with Browser() as browser:
        for path in arguments:
            look_at(browser, Path(path), pictures, only)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
