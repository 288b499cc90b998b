"""The portal, by a real browser: uploads, one run at a time, an answer by mail."""

import base64
import http.client
import json
import os
import resource
import socket
import subprocess
import time
import urllib.parse

from e2e import case
from hosts import browser, fleet, mail_server

_SOON_S_MAX = 90.0
_PORT = 7480
_PIECE = 8 << 20
_MEMORY_MIB_MAX = 64
# It waits for a file beside it, so that a test says how long it takes.
_PIPELINES = """
pipelines:
  - name: enrich
    on: {{volume: unenriched, match: ["web/*.csv"]}}
    run:
      command: [/bin/sh, -c, 'echo it begins; while [ ! -e "{folder}/go" ]; do sleep 0.1; done;
                head -n 3 "$1" | tr a-z A-Z > "$2"', sh, "{{input}}", "{{output}}"]
    publish: {{volume: enriched}}
    locks: [picky-api]
    retry: {{attempts: 1}}
    portal:
      title: Enrich a table
      help: "Columns: id and name.\\n\\nIt asks a service that takes one caller at a time."
      accept: [.csv]
      max_size: 6GiB
      folder: web
      show_log: true
"""
_CSV = b"id;name\n1;anna\n2;bert\n"


class PortalCase(case.HostsCase):
    """A fleet with a portal on cw-b, which mounts what uploads go to."""

    needs_root = False
    portal_settings = ""

    def setUp(self):
        super().setUp()
        self.mail = None
        self.fleet.add_executor(self.hosts.b, "cw-b-1")
        self.portal = self._make_portal()
        self.base = f"http://{self.portal.address}"

    def _make_portal(self):
        on = self.hosts.b
        port = _PORT if self.hosts.namespaced else _free_port()
        address = f"{on.address}:{port}"
        folder = os.path.join(on.folder, "portal")
        os.makedirs(folder)
        anonymous = "anonymous: admin\n" if not self.portal_settings else ""
        return fleet.Service("portal", on, folder, "\n".join([
            f"listen: {address}", f"coordinator: {self.fleet.address}",
            f"state: {folder}/state", f"public_url: http://{address}", anonymous,
            self.portal_settings.format(folder=self.folder),
            "volumes:",
            f"  unenriched: {{path: {self.hosts.path(on, 'unenriched')}}}",
            f"  enriched: {{path: {self.hosts.path(on, 'enriched')}}}", ""]), address)

    def begin(self, mail=False):
        """Starts everything."""
        if mail:
            self.mail = mail_server.MailServer(self.hosts.a)
            with open(self.fleet.coordinator.config, "a", encoding="utf-8") as file:
                file.write(self.mail.settings + "\n")
            self.mail.start()
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format(folder=self.folder))
        self.start_portal()

    def start_portal(self):
        """Starts it and waits until it answers."""
        self.portal.start()
        self.until(lambda: self.hosts.b.accepts(int(self.portal.address.rpartition(":")[2])),
                   "the portal")

    def browse(self):
        """A browser."""
        made = browser.Browser(self.script("drive.js"), self.at_keyboard,
                               os.path.join(self.folder, "browser.log"))
        self.addCleanup(made.close)
        return made

    def file(self, name, content=_CSV):
        """A file to be uploaded; its path."""
        path = os.path.join(self.folder, "own", name)
        case.write(path, content)
        return path

    def let_go(self):
        """Commands may end."""
        case.write(os.path.join(self.folder, "go"), b"")

    def get(self, path, **headers):
        """(status, headers, body) of a request without a browser."""
        connection = http.client.HTTPConnection(self.portal.address, timeout=30)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def check(self, tab, name):
        """What a page must be like, whatever is on it. Leaves a picture in $CLOSEWRITE_SHOTS."""
        shots = os.environ.get("CLOSEWRITE_SHOTS")
        if shots:
            tab.shot(os.path.join(shots, f"{name}.png"))
        self.assertLessEqual(tab.overflow(), 0)
        self.assertEqual(tab.misplaced(), [])
        self.assertEqual(tab.axe(), [])
        self.assertEqual(tab.complaints(), [])

    def token(self):
        """(Cookie, token of forms) of somebody new."""
        _, headers, body = self.get("/pages/enrich", Accept="application/json")
        return headers["Set-Cookie"].partition(";")[0], json.loads(body)["csrf"]

    def json(self, path):
        """The JSON twin of a page."""
        status, _, body = self.get(path, Accept="application/json")
        self.assertEqual(status, 200, body)
        return json.loads(body)


class PortalUploadTest(PortalCase):
    """From a file that is dropped to the mail at the end."""

    def test_one_works_and_another_waits(self):
        self.begin(mail=True)
        made = self.browse()
        ann = made.tab("ann")
        self.assertEqual(ann.go(f"{self.base}/pages/enrich"), 200)
        ann.see("Free")
        ann.fill("#email", "ann@example.org")
        ann.files("#file", [self.file("ann.csv")])
        ann.click("button.main")
        page = ann.see("Working")
        self.assertRegex(page, r"/uploads/\d+-[0-9a-f]{32}$")
        ann.see("it begins")

        bob = made.tab("bob", scheme="dark", width=360)
        bob.go(f"{self.base}/pages/enrich")
        bob.see("Busy: a file that came before is being worked on since \\d\\d:\\d\\d UTC")
        bob.see("1 file is before a new one")
        self.check(bob, "busy-dark-phone")
        bob.fill("#email", "bob@example.org")
        bob.files("#file", [self.file("bob.csv", b"id;name\n3;carl\n")])
        bob.click("button.main")
        waits = bob.see("lock picky-api held by job 1 on cw-b since .*next in line")
        for name, tab in (("working-light-desktop", ann), ("waiting-dark-phone", bob)):
            self.check(tab, name)
            strangers = [each for each in tab.requests() if not each.startswith(self.base)]
            self.assertEqual(strangers, [])
        ann.close()
        bob.close()

        self.let_go()
        mails = self.until(lambda: self.mail.mails() if len(self.mail.mails()) > 1 else None,
                           "two mails", _SOON_S_MAX)
        by_name = {mail.recipients[0]: mail for mail in mails}
        self.assertEqual(set(by_name), {"ann@example.org", "bob@example.org"})
        for name, content, link in (("ann", b"ID;NAME\n1;ANNA\n2;BERT\n", page),
                                    ("bob", b"ID;NAME\n3;CARL\n", waits)):
            mail = by_name[f"{name}@example.org"]
            self.assertIn(link, mail_server.text_of(mail))
            [attached] = mail.iter_attachments()
            self.assertEqual((attached.get_filename(), attached.get_content()),
                             (f"{name}.csv", content))

        ann = made.tab("ann")
        ann.go(page)
        ann.see("Done")
        self.check(ann, "done-light-desktop")
        got = ann.download(".results a")
        self.assertEqual((got["name"], base64.b64decode(got["content"])),
                         ("ann.csv", b"ID;NAME\n1;ANNA\n2;BERT\n"))

    def test_without_scripts(self):
        self.begin(mail=True)
        self.let_go()
        tab = self.browse().tab("carl", javaScript=False)
        tab.go(f"{self.base}/pages/enrich")
        tab.fill("#email", "carl@example.org, dora@example.org")
        tab.files("#file", [self.file("Größe 2026.csv")])
        tab.click("button.main")
        page = tab.see("This page keeps its address")
        self.assertRegex(page, r"/uploads/\d+-[0-9a-f]{32}$")

        def done():
            tab.go(page)
            return "Done" in tab.text()
        self.until(done, "the end of the job", _SOON_S_MAX)
        [mail] = self.until(self.mail.mails, "a mail", _SOON_S_MAX)
        self.assertEqual(mail.recipients, ["carl@example.org", "dora@example.org"])
        # The same name again becomes another one, and nothing is lost.
        tab.go(f"{self.base}/pages/enrich")
        tab.files("#file", [self.file("Größe 2026.csv", b"id;name\n9;zoe\n")])
        tab.click("button.main")
        tab.see("as Größe 2026-2.csv|This page keeps its address")
        self.until(lambda: len(self.results()) == 2, "two results", _SOON_S_MAX)
        self.assertEqual(case.read(os.path.join(self.home("unenriched"), "web/Größe 2026.csv")),
                         _CSV)

    def test_what_is_not_taken_is_told(self):
        self.begin()
        tab = self.browse().tab("eve")
        tab.go(f"{self.base}/pages/enrich")
        tab.files("#file", [self.file("table.csv", b"PK\x03\x04" + bytes(100))])
        tab.click("button.main")
        tab.see("but its content is something else")
        plain = self.browse().tab("eve", javaScript=False)
        plain.go(f"{self.base}/pages/enrich")
        plain.files("#file", [self.file("table.xlsx", _CSV)])
        plain.click("button.main")
        plain.see("has another ending than .csv")
        self.assertEqual(case.tree(self.home("unenriched")), [])

    def test_a_coordinator_and_a_portal_that_die_lose_nothing(self):
        self.begin()
        content = b"id;name\n" + b"".join(b"%d;%064d\n" % (i, i) for i in range(600_000))
        tab = self.browse().tab("fay")
        tab.go(f"{self.base}/pages/enrich")
        tab.files("#file", [self.file("large.csv", content)])
        staging = os.path.join(self.home("unenriched"), ".closewrite/staging/0")
        tab.click("button.main")
        self.until(lambda: any(case.tree(staging)), "the first bytes")
        self.fleet.coordinator.kill()
        self.portal.kill()
        self.start_portal()
        self.fleet.coordinator.start()
        page = tab.see("Working")
        self.fleet.coordinator.restart()
        self.portal.restart()
        self.let_go()
        tab.see("Done")
        self.assertEqual(tab.url(), page)
        self.assertEqual(self.results(), [b"web/large.csv"])
        self.assertEqual(case.read(os.path.join(self.home("unenriched"), "web/large.csv")), content)
        first = b"".join(content.splitlines(keepends=True)[:3])
        self.assertEqual(self.read_result(b"web/large.csv"), first.upper())


class PortalLargeTest(PortalCase):
    """A file that is larger than the portal's memory."""

    two_hosts = False  # the test itself connects to the portal

    def _begin(self, size):
        cookie, token = self.token()
        fields = urllib.parse.urlencode({"csrf": token, "page": "enrich", "name": "large.csv",
                                         "size": size})
        connection = http.client.HTTPConnection(self.portal.address, timeout=120)
        connection.request("POST", "/uploads?format=json", body=fields, headers={
            "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        self.assertEqual(answer.status, 200, said)
        return connection, said["location"]

    def _peak(self):
        """Largest resident memory of the portal so far, in MiB."""
        with open(f"/proc/{self.portal.process.pid}/status", encoding="ascii") as file:
            [line] = [each for each in file if each.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024

    def test_memory_does_not_grow_with_a_file(self):
        self.begin()
        piece = b"x" * _PIECE
        pieces = int(os.environ.get("CLOSEWRITE_UPLOAD_MIB", "256")) * 2**20 // _PIECE
        connection, address = self._begin(pieces * _PIECE)
        for number in range(pieces):
            connection.request("PATCH", address, body=piece,
                               headers={"Upload-Offset": str(number * _PIECE)})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200, answer.read())
            answer.read()
        self.until(lambda: self.json(address)["upload"]["state"] == "UPLOAD_STATE_PUBLISHED",
                   "the file in its place", 600.0)
        path = os.path.join(self.home("unenriched"), "web/large.csv")
        self.assertEqual(os.stat(path).st_size, pieces * _PIECE)

        # The same in one form.
        connection.close()
        cookie, token = self.token()
        head = (f'--XX\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n--XX\r\n'
                'Content-Disposition: form-data; name="file"; filename="form.csv"\r\n\r\n').encode()
        tail = b"\r\n--XX--\r\n"

        def body():
            yield head
            for _ in range(pieces):
                yield piece
            yield tail
        connection.request("POST", "/pages/enrich", body=body(), headers={
            "Cookie": cookie, "Content-Type": "multipart/form-data; boundary=XX",
            "Content-Length": str(len(head) + pieces * _PIECE + len(tail))})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 303, answer.read())
        connection.close()
        peak = self._peak()
        self.assertLess(peak, _MEMORY_MIB_MAX)


class PortalPagesTest(PortalCase):
    """What operators see, in all forms."""

    two_hosts = False  # the test itself connects to the portal
    paths = ("/", "/pages/enrich", "/overview", "/jobs", "/jobs/1", "/tasks", "/locks",
             "/executors", "/watchers")

    def _fill(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "web/a<b>.csv"), b"x")
        self.let_go()
        self.finished_jobs(1)
        tasks = os.path.join(self.folder, "tasks.yaml")
        case.write(tasks, b"tasks: [{name: nightly, period: day, run: {command: [/bin/true]}}]")
        self.fleet.must("task", "apply", "-f", tasks)

    def test_every_page_in_every_form(self):
        self._fill()
        made = self.browse()
        for scheme in ("light", "dark"):
            for kind, width in (("desktop", 1280), ("phone", 360)):
                tab = made.tab("ops", scheme=scheme, width=width)
                for path in self.paths:
                    with self.subTest(path=path, scheme=scheme, kind=kind):
                        self.assertEqual(tab.go(self.base + path), 200)
                        name = path.strip("/").replace("/", "-") or "uploads"
                        self.check(tab, f"{name}-{scheme}-{kind}")
                tab.close()

    def test_twins_and_buttons(self):
        self._fill()
        for path in self.paths:
            self.assertIsInstance(self.json(path), dict, path)
        self.assertEqual(self.json("/jobs/1")["job"]["job"]["state"], "JOB_STATE_SUCCEEDED")
        _, headers, page = self.get("/jobs")
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", headers["Content-Security-Policy"])
        self.assertIn(b"a&lt;b&gt;.csv", page)
        self.assertEqual(self.get("/jobs/999")[0], 404)
        self.assertEqual(self.get("/nothing")[0], 404)
        tab = self.browse().tab("ops")
        tab.go(f"{self.base}/tasks")
        tab.click("main button")
        tab.see("started")
        tab.go(f"{self.base}/overview")
        # A job that comes shows without a reload.
        os.remove(os.path.join(self.folder, "go"))
        case.write(os.path.join(self.home("unenriched"), "web/b.csv"), b"x")
        tab.see("RUNNING\\s*1|Running\\s*1")
        tab.press("Tab")
        self.assertEqual(tab.focused(), "A Skip to the content")


class PortalStrangersTest(PortalCase):
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


class PortalHostileTest(PortalCase):
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
        head = (f"POST /pages/enrich HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n"
                "Content-Type: multipart/form-data; boundary=XX\r\n"
                f"Content-Length: {length or len(body)}\r\nConnection: close\r\n\r\n")
        return self.raw(head.encode() + body)

    def test_a_hostile_set(self):
        self.begin()
        for name in (b"../../evil.csv", b"/etc/evil.csv", b"..\\evil.csv"):
            # The name alone counts, wherever it says that it lies.
            self.assertIn(" 303 ", self._multipart([("file", name, _CSV)]), name)
        for name in (b"", b"..", b".csv", b"a\x00b.csv", b"-rf.csv", b"a\x01.csv", b"x" * 300,
                     b"a.csv\xff.csv"):
            line = self._multipart([("file", name, _CSV)])
            self.assertRegex(line, " (4..) |^$", name)
        self.until(lambda: len(case.tree(self.home("unenriched"))) == 3, "three files")
        self.assertEqual(case.tree(self.home("unenriched")),
                         [b"web/evil-2.csv", b"web/evil-3.csv", b"web/evil.csv"])
        self.assertIn(" 403 ", self._multipart([("file", b"a.csv", _CSV)], token="0" * 64))
        self.assertRegex(self._multipart([(f"f{i}", None, "x") for i in range(10_000)]),
                         " 4..")
        self.assertRegex(self._multipart([("email", None, "x" * 100_000)]), " 4..")
        self.assertRegex(self._multipart([("file", b"a.csv", _CSV)] * 2), " 4..")
        for line, expected in (
                (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", " 40[0-9] "),
                (b"GET /assets/../portal.cc HTTP/1.1\r\nHost: x\r\n\r\n", " 404 "),
                (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", " 400 "),
                (b"GET /uploads/1-" + b"0" * 32 + b" HTTP/1.1\r\nHost: x\r\n\r\n", " 404 "),
                (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", " 41[0-9] "),
                (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", " 405 "),
                (b"POST /uploads HTTP/1.1\r\nHost: x\r\n\r\n", " 411 "),
                (b"POST /uploads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"0\r\n\r\n", " 411 "),
                (b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", " 400 "),
                (b"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
                 " 4.. "),
                (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", " 400 "),
                (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", " 4..|^$"),
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
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
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


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
