"""A web server that reads what is posted to it and answers 204, at next to no cost."""

import http.server
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # The connection stays open.

    def do_POST(self):  # pylint: disable=invalid-name
        """Any path."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing."""


if __name__ == "__main__":
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
