"""A third party that takes one caller at a time, as many do: a second one is told 429.

  service.py [--address 127.0.0.1] [--port 8097] [--seconds 1]

GET /price/PRODUCT answers with a number after that long. GET /calls counts: all calls, those that
were refused, and the most at once.
"""

import argparse
import http.server
import json
import threading
import time
import urllib.parse
import zlib

_PRICES = 10_000


class Counts:
    """Who calls. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._now = 0
        self._said = {"calls": 0, "refused": 0, "at_once_max": 0}

    def __enter__(self):
        with self._lock:
            self._now += 1
            busy = self._now > 1
            self._said["calls"] += 1
            self._said["refused"] += busy
            self._said["at_once_max"] = max(self._said["at_once_max"], self._now)
            return busy

    def __exit__(self, *_):
        with self._lock:
            self._now -= 1

    def told(self):
        """As GET /calls tells it."""
        with self._lock:
            return json.dumps(self._said)


def price(product):
    """Always the same for the same product."""
    return zlib.crc32(product.encode()) % _PRICES / 100


def handler(counts, seconds):
    """The class that answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """As http.server wants it."""

        def do_GET(self):  # pylint: disable=invalid-name
            """Answers a request."""
            kind, _, rest = self.path.lstrip("/").partition("/")
            if kind == "calls":
                self._answer(200, counts.told())
            elif kind != "price" or not rest:
                self._answer(404, "ask for /price/PRODUCT or /calls")
            else:
                # Out of the count before the answer: with that its caller may call again.
                with counts as busy:
                    if not busy:
                        time.sleep(seconds)
                self._answer(*((429, "one caller at a time") if busy else
                               (200, price(urllib.parse.unquote(rest)))))

        def _answer(self, status, text):
            content = f"{text}\n".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            """Nothing."""

    return Handler


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8097)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    http.server.ThreadingHTTPServer(
        (options.address, options.port), handler(Counts(), options.seconds)).serve_forever()


if __name__ == "__main__":
    main()
