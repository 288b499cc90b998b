"""A real Chromium, driven by a test; see tests/e2e/drive.js."""

import json
import os
import subprocess

from style import npm

_STOP_S_MAX = 20


class Browser:
    """One program. `command` makes the argv that runs another one, as in the network of a host."""

    def __init__(self, script, command, log):
        with open(log, "ab") as file:
            self._popen = subprocess.Popen(  # pylint: disable=consider-using-with
                command(["node", script]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=file, env={**os.environ, "NODE_PATH": npm.modules()})

    def tab(self, name, **options):
        """A visitor with a browser of their own: `javaScript`, `scheme`, `width`, `height`."""
        tab = Tab(self, name)
        tab.open(options)
        return tab

    def call(self, tab, call, args):
        """Has one thing done; returns what it says."""
        line = json.dumps({"tab": tab, "call": call, "args": args})
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()
        said = self._popen.stdout.readline()
        if not said:
            raise RuntimeError(f"the browser has ended with {self._popen.wait(_STOP_S_MAX)}")
        answer = json.loads(said)
        if "error" in answer:
            raise RuntimeError(f"{tab}: {call} {args}: {answer['error']}")
        return answer["value"]

    def close(self):
        """Ends it."""
        self._popen.stdin.close()
        try:
            self._popen.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._popen.stdout.close()


class Tab:
    """One visitor. Every call of drive.js is a method."""

    def __init__(self, browser, name):
        self._browser = browser
        self._name = name

    def __getattr__(self, call):
        return lambda *args: self._browser.call(self._name, call, list(args))
