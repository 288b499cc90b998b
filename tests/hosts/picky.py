"""A third party that takes one caller at a time: a web server on a host, and who calls it.

Run as a program, it is the server (`serve ADDRESS FOLDER`) or a caller (`call URL NAME SECONDS`).
"""

import http.server
import json
import os
import select
import sys
import threading
import urllib.error
import urllib.request

PORT = 8097
PYTHON = "/usr/bin/python3"
PROGRAM = os.path.realpath(__file__)
_READY_S_MAX = 30.0
_CALL_S_MAX = 120.0
_BEGUN = ".begun"  # Ends the name of the file of calls that have begun.
BUSY = 3  # Exit code of a caller who was told 429.


class Picky:
    """On host `on`. start() it first."""

    def __init__(self, on):
        self._host = on
        folder = os.path.join(on.folder, "picky")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self._calls = os.path.join(folder, "calls")
        self._begun = self._calls + _BEGUN
        self.url = f"http://{on.address}:{PORT}/"
        self.process = None

    def start(self):
        """Starts it and waits until it answers."""
        from hosts import process  # pylint: disable=import-outside-toplevel
        self.process = self._host.spawn([PYTHON, PROGRAM, "serve", self._host.address,
                                         self._calls], self.log)
        process.until(lambda: self._host.accepts(PORT), _READY_S_MAX,
                      f"the picky service; its log is {self.log}")

    def command(self, name, seconds):
        """A command that calls it."""
        return [PYTHON, PROGRAM, "call", self.url, name, str(seconds)]

    def begun(self):
        """Names of all who have called, in order; their calls may go on."""
        if not os.path.exists(self._begun):
            return []
        with open(self._begun, encoding="utf-8") as file:
            return file.read().splitlines()

    def calls(self):
        """All calls in the order of their ends: name, how many there were at once, status."""
        if not os.path.exists(self._calls):
            return []
        with open(self._calls, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def _serve(address, calls):
    lock = threading.Lock()
    now = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Each call takes as long as it says, or until its caller is gone."""

        def do_GET(self):  # pylint: disable=invalid-name
            """As http.server wants it."""
            name, seconds = self.path.strip("/").split("/")
            with lock:
                now.append(name)
                at_once = len(now)
                with open(calls + _BEGUN, "a", encoding="utf-8") as file:
                    file.write(f"{name}\n")
            status = 429 if at_once > 1 else 200
            if status == 200:
                gone, _, _ = select.select([self.connection], [], [], float(seconds))
                status = 499 if gone else 200
            with lock:
                now.remove(name)
                with open(calls, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"name": name, "at_once": at_once,
                                           "status": status}) + "\n")
            if status != 499:
                self.send_response(status)
                self.end_headers()

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            """Nothing."""

    http.server.ThreadingHTTPServer((address, PORT), Handler).serve_forever()


def _call(url, name, seconds):
    try:
        with urllib.request.urlopen(f"{url}{name}/{seconds}", timeout=_CALL_S_MAX):
            return 0
    except urllib.error.HTTPError as error:
        print(error, file=sys.stderr)
        return BUSY if error.code == 429 else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(*sys.argv[2:])
    else:
        sys.exit(_call(*sys.argv[2:]))
