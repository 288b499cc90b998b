"""A web server on a host that notes down what is posted to it.

Run as a program, it is that server.
"""

import http.server
import json
import os
import sys

PORT = 8099
_PYTHON = "/usr/bin/python3"
_READY_S_MAX = 30.0


class Webhook:
    """On host `on`. start() it first."""

    def __init__(self, on):
        self._host = on
        folder = os.path.join(on.folder, "webhook")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self._taken = os.path.join(folder, "taken")
        self.url = f"http://{on.address}:{PORT}/hook?key=a%20b"
        self.process = None

    def start(self):
        """Starts it and waits until it answers."""
        from hosts import process  # pylint: disable=import-outside-toplevel
        self.process = self._host.spawn([_PYTHON, os.path.realpath(__file__), self._host.address,
                                         self._taken], self.log)
        process.until(lambda: self._host.accepts(PORT), _READY_S_MAX,
                      f"the webhook; its log is {self.log}")

    def posts(self):
        """The bodies of all posts, in order, each with its path and content type."""
        if not os.path.exists(self._taken):
            return []
        with open(self._taken, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def _serve(address, taken):
    class Handler(http.server.BaseHTTPRequestHandler):
        """Writes each post into a line."""

        def do_POST(self):  # pylint: disable=invalid-name
            """As http.server wants it."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = {"path": self.path, "type": self.headers["Content-Type"],
                    "body": json.loads(body)}
            with open(taken, "a", encoding="utf-8") as file:
                file.write(json.dumps(post) + "\n")
            self.send_response(204)
            self.end_headers()

    http.server.ThreadingHTTPServer((address, PORT), Handler).serve_forever()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
