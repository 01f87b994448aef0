"""A headless Chromium, driven over its debugging pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

# Chromium reads commands from descriptor 3 and writes answers to 4.
_EXEC = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page; skips the test where Chromium is not installed.

    Args:
        profile: path of an empty folder.
        size: width and height of the window.
    """

    def __init__(self, profile, size=(900, 1100)):
        chromium = shutil.which("chromium")
        if chromium is None:
            pytest.skip("chromium is not installed")
        ours_in, theirs_out = os.pipe()
        theirs_in, self._out = os.pipe()
        self._in, self._buffer, self._count = ours_in, b"", 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(theirs_in), str(theirs_out)]
            + [chromium, "--headless", "--no-sandbox", "--disable-gpu"]
            + ["--disable-quic", "--no-first-run", "--disable-sync"]
            + ["--disable-background-networking", "--disable-component-update"]
            + [f"--window-size={size[0]},{size[1]}", "--remote-debugging-pipe"]
            + [f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        self.messages = []
        target = self._wait_for_page()
        self._session = self.call(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.close(self._out)
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._in)

    def _wait_for_page(self):
        for _ in range(100):
            targets = self.call("Target.getTargets")["targetInfos"]
            pages = [t["targetId"] for t in targets if t["type"] == "page"]
            if pages:
                return pages[0]
            time.sleep(0.1)
        raise AssertionError("Chromium opened no page")

    def call(self, method, **params):
        """The result of a command of the DevTools protocol, a dict."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.messages.append(answer)

    def _read(self, seconds=60):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], seconds)
            assert ready, "Chromium does not answer"
            part = os.read(self._in, 1 << 16)
            assert part, "Chromium ended"
            self._buffer += part
        first, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(first)

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script, seconds=30):
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < deadline, script
            time.sleep(0.05)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait(f"location.href == {json.dumps(url)}")
        self.wait("document.readyState == 'complete'")

    def type(self, text):
        """Text into what has the focus, as an input method gives it."""
        self.call("Input.insertText", text=text)

    def press(self, key, modifiers=0):
        """One key; modifiers as in the protocol: 2 is Ctrl."""
        code = {"Enter": 13, "Tab": 9, "End": 35, "ArrowRight": 39}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
            )

    def dark(self, on):
        """Prefer dark colours, or light ones."""
        value = "dark" if on else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def errors(self):
        """What the page complained of so far: a list of strings."""
        self.run("0")
        found = []
        for message in self.messages:
            params = message.get("params", {})
            if message.get("method") == "Log.entryAdded":
                found.append(params["entry"]["text"])
            if message.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
        return found

    def screenshot(self, path):
        """The whole page as a PNG file."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)[
            "data"
        ]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
