"""A headless Chromium, spoken to over its debugging pipe: no port, no driver, no package. Pages are files; what is seen of
them comes back as pictures, and what they say of themselves as values.

The window can be as narrow as a telephone, which the command line's --window-size cannot make it, and the colour scheme is what
a page's media queries see.
"""
import base64
import io
import json
import os
import shutil
import subprocess
import tempfile

from PIL import Image

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars",
         "--force-color-profile=srgb", "--disable-lcd-text", "--remote-debugging-pipe"]
# Pixels of the picture for one of the page's: thin lines and small letters then have pixels that are all theirs.
SCALE = 2


class Browser:
    def __init__(self, program="chromium"):
        self.profile = tempfile.mkdtemp(prefix="pages-")
        to_read, self.to = os.pipe()
        self.answers, to_write = os.pipe()

        def as_three_and_four():
            # The pipes' ends may be 3 or 4 themselves: out of the way first.
            commands, answers = os.dup(to_read), os.dup(to_write)
            os.dup2(commands, 3), os.dup2(answers, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"], preexec_fn=as_three_and_four,
            close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile})
        os.close(to_read), os.close(to_write)
        self.answers = os.fdopen(self.answers, "rb")
        self.number = 0
        self.pending = b""
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.on_page("Page.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)
        self.process.terminate()
        self.process.wait()
        self.answers.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self):
        while b"\0" not in self.pending:
            more = os.read(self.answers.fileno(), 1 << 20)
            if not more:
                raise SystemExit(f"the browser ended with status {self.process.wait()}")
            self.pending += more
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, session=None, **parameters):
        self.number += 1
        question = {"id": self.number, "method": method, "params": parameters}
        if session:
            question["sessionId"] = session
        os.write(self.to, json.dumps(question).encode() + b"\0")
        while True:
            message = self.message()
            self.loaded = getattr(self, "loaded", False) or message.get("method") == "Page.loadEventFired"
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]

    def on_page(self, method, **parameters):
        return self.ask(method, self.session, **parameters)

    def show(self, path, width, scheme):
        """Loads a file into a window of that width, `light` or `dark`."""
        self.on_page("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=SCALE, mobile=False)
        self.on_page("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.loaded = False
        self.on_page("Page.navigate", url="file://" + os.path.realpath(path))
        while not self.loaded:
            self.loaded = self.message().get("method") == "Page.loadEventFired"

    def value(self, script):
        answer = self.on_page("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{answer['exceptionDetails']}")
        return answer["result"].get("value")

    def picture(self, clip=None):
        """The whole page, as far as it goes, or a part of it (x, y, width, height in the page's pixels)."""
        if clip is None:
            size = self.on_page("Page.getLayoutMetrics")["cssContentSize"]
            clip = (0, 0, size["width"], size["height"])
        x, y, width, height = clip
        data = self.on_page("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                            clip={"x": x, "y": y, "width": width, "height": height, "scale": 1})["data"]
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
