"""What strangers may send to the portal, and how many they may be."""

import os
import resource
import socket
import subprocess
import time

from e2e import case, portal_case
from hosts import fleet


class PortalStrangersTest(portal_case.PortalCase):
    """Who may not, and what is refused."""

    two_hosts = False  # the test itself connects to the portal
    portal_settings = "users: {folder}/users"

    def setUp(self):
        super().setUp()
        hashed = subprocess.run([fleet.program("portal"), "--hash-password"], check=True,
                                input=b"right\n", capture_output=True).stdout.decode().strip()
        case.write(os.path.join(self.folder, "users"),
                   f"up uploader {hashed} up@example.org\nop operator {hashed}\n".encode())
        os.chmod(os.path.join(self.folder, "users"), 0o600)

    def test_one_portal_has_the_port(self):
        self.begin()
        second = self.hosts.a.run([fleet.program("portal"), "--config", self.portal.config],
                                  timeout=30)
        self.assertEqual(second.returncode, 2)
        self.assertIn(b"cannot serve on", second.stderr)

    def test_roles(self):
        self.begin()
        for path in ("/", "/overview", "/jobs"):
            self.assertEqual(self.get(path)[0], 401, path)
        made = self.browse()
        tab = made.tab("up")
        tab.go(f"{self.base}/")
        tab.fill("#name", "up")
        tab.fill("#password", "wrong")
        tab.click("button.main")
        tab.see("the name or the password is wrong")
        tab.fill("#name", "up")
        tab.fill("#password", "right")
        tab.click("button.main")
        tab.see("Upload a file")
        self.assertEqual(tab.go(f"{self.base}/overview"), 403)
        tab.go(f"{self.base}/pages/enrich")
        tab.click(".who button")
        tab.see("Sign in")
        tab = made.tab("op")
        tab.go(f"{self.base}/sign-in?next=/overview")
        tab.fill("#name", "op")
        tab.fill("#password", "right")
        tab.click("button.main")
        tab.see("Dead letters")


class PortalProxyTest(portal_case.PortalCase):
    """Behind a proxy that has signed people in and says who they are."""

    two_hosts = False  # the test itself is the proxy
    portal_settings = """\
proxy:
  from: [127.0.0.1]
  user_header: X-Forwarded-User
  email_header: X-Forwarded-Email
  groups_header: X-Forwarded-Groups
  groups: {{closewrite-ops: operator}}
  everybody: uploader"""

    def test_who_is_who(self):
        self.begin()
        user = {"X-Forwarded-User": "ann", "X-Forwarded-Email": "ann@example.org"}
        operator = {**user, "X-Forwarded-Groups": "staff,closewrite-ops"}
        self.assertEqual(self.get("/")[0], 403)
        status, _, page = self.get("/pages/enrich", **user)
        self.assertEqual(status, 200)
        self.assertIn(b"ann@example.org", page)
        self.assertEqual(self.get("/overview", **user)[0], 403)
        self.assertEqual(self.get("/overview", **operator)[0], 200)
        # Nobody else is believed.
        self.assertEqual(self.get("/overview", source="127.0.0.2", **operator)[0], 403)


class PortalHostileTest(portal_case.PortalCase):
    """What strangers may send."""

    two_hosts = False  # the test itself connects to the portal

    def raw(self, data, seconds=20):
        """The first line of the answer to these bytes."""
        host, _, port = self.portal.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=seconds) as connection:
            try:
                connection.sendall(data)
            except OSError:
                pass  # It was refused before its end.
            try:
                return connection.recv(4096).split(b"\r\n")[0].decode()
            except OSError:
                return ""

    @staticmethod
    def head(line, *fields):
        """A request's head."""
        return b"\r\n".join([line + b" HTTP/1.1", b"Host: localhost", *fields, b"", b""])

    def _multipart(self, parts, length=None, token=None):
        cookie, form_token = self.token()
        body = b""
        fields = [("csrf", None, form_token if token is None else token), *parts]
        for name, filename, value in fields:
            value = value.encode() if isinstance(value, str) else value
            disposition = f'form-data; name="{name}"'.encode()
            if filename is not None:
                disposition += b'; filename="' + filename + b'"'
            body += b"--XX\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + value + b"\r\n"
        body += b"--XX--\r\n"
        head = (f"POST /pages/enrich HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
                "Content-Type: multipart/form-data; boundary=XX\r\n"
                f"Content-Length: {length or len(body)}\r\nConnection: close\r\n\r\n")
        return self.raw(head.encode() + body)

    def test_a_hostile_set(self):
        self.begin()
        for name in (b"../../evil.csv", b"/etc/evil.csv", b"..\\evil.csv"):
            # The name alone counts, wherever it says that it lies.
            self.assertIn(" 303 ", self._multipart([("file", name, portal_case.CSV)]), name)
        for name in (b"", b"..", b".csv", b"a\x00b.csv", b"-rf.csv", b"a\x01.csv", b"x" * 300,
                     b"a.csv\xff.csv"):
            line = self._multipart([("file", name, portal_case.CSV)])
            self.assertRegex(line, " (4..) |^$", name)
        self.until(lambda: len(case.tree(self.home("unenriched"))) == 3, "three files")
        self.assertEqual(case.tree(self.home("unenriched")),
                         [b"web/evil-2.csv", b"web/evil-3.csv", b"web/evil.csv"])
        parts = [("file", b"a.csv", portal_case.CSV)]
        self.assertIn(" 403 ", self._multipart(parts, token="0" * 64))
        self.assertRegex(self._multipart([(f"f{i}", None, "x") for i in range(10_000)]),
                         " 4..")
        self.assertRegex(self._multipart([("email", None, "x" * 100_000)]), " 4..")
        self.assertRegex(self._multipart(parts * 2), " 4..")
        post = b"POST /uploads"
        for line, expected in (
                (self.head(b"GET /../../etc/passwd"), " 40[0-9] "),
                (self.head(b"GET /assets/../portal.cc"), " 404 "),
                (self.head(b"GET /%00"), " 400 "),
                (self.head(b"GET /uploads/1-" + b"0" * 32), " 404 "),
                (self.head(b"GET /" + b"a" * 5000), " 41[0-9] "),
                (b"GET /jobs HTTP/1.1\r\nHost: evil.example.org\r\n\r\n", " 421 "),
                (self.head(b"DELETE /"), " 405 "),
                (self.head(post), " 411 "),
                (self.head(post, b"Transfer-Encoding: chunked") + b"0\r\n\r\n", " 411 "),
                (self.head(post, b"Content-Length: -5"), " 400 "),
                (self.head(post, b"Content-Length: 99999999"), " 4.. "),
                (self.head(b"GET /", b"Content-Length: 5") + b"abcde", " 400 "),
                (self.head(b"GET /", *[b"X-A: b"] * 20_000), " 4..|^$"),
                (b"\x16\x03\x01\x00\xa5", " 4..|^$")):
            self.assertRegex(self.raw(line), expected, line[:60])
        self.assertEqual(self.get("/healthz")[0], 200)

    def test_a_crowd_and_the_slow(self):
        self.begin()
        host, _, port = self.portal.address.rpartition(":")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
        slow = []
        try:
            for _ in range(1000):
                connection = socket.create_connection((host, int(port)), timeout=10)
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
                slow.append(connection)
            refused = 0
            for connection in slow:
                connection.settimeout(0.01)
                try:
                    refused += b" 503 " in connection.recv(100)
                except OSError:
                    pass
            self.assertGreater(refused, 500)
            # Who dawdles loses the place within some seconds, whatever is sent meanwhile.
            began = time.monotonic()
            alive = slow[0]
            alive.settimeout(0.5)
            ended = False
            while not ended and time.monotonic() - began < 30:
                try:
                    alive.sendall(b"x")
                    ended = alive.recv(100) == b""
                except TimeoutError:
                    pass
                except OSError:
                    ended = True
            self.assertLess(time.monotonic() - began, 20)
        finally:
            for connection in slow:
                connection.close()
        self.until(lambda: self.get("/healthz")[0] == 200, "the portal to answer again")
