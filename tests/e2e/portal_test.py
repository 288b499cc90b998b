"""The portal, by a real browser: uploads, one run at a time, an answer by mail."""

import base64
import http.client
import json
import os
import re

from e2e import case, portal_case
from hosts import mail_server

_SOON_S_MAX = 90.0
_PIECE = 8 << 20
_MEMORY_MIB_MAX = 64


class PortalUploadTest(portal_case.PortalCase):
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
                         portal_case.CSV)

    def test_what_is_not_taken_is_told(self):
        self.begin()
        tab = self.browse().tab("eve")
        tab.go(f"{self.base}/pages/enrich")
        tab.files("#file", [self.file("table.csv", b"PK\x03\x04" + bytes(100))])
        tab.click("button.main")
        tab.see("but its content is something else")
        plain = self.browse().tab("eve", javaScript=False)
        plain.go(f"{self.base}/pages/enrich")
        plain.files("#file", [self.file("table.xlsx", portal_case.CSV)])
        plain.click("button.main")
        plain.see("has another ending than .csv")
        # Here nobody sends mail, so none is promised.
        plain.go(f"{self.base}/pages/enrich")
        plain.fill("#email", "eve@example.org")
        plain.files("#file", [self.file("mail.csv")])
        plain.click("button.main")
        plain.see("this coordinator has no `mail:`")
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


class PortalLargeTest(portal_case.PortalCase):
    """A file that is larger than the portal's memory."""

    two_hosts = False  # the test itself connects to the portal

    def _begin(self, size):
        cookie, token = self.token()
        status, said = self.post("/uploads?format=json", cookie, csrf=token, page="enrich",
                                 name="large.csv", size=str(size))
        self.assertEqual(status, 200, said)
        connection = http.client.HTTPConnection(self.portal.address, timeout=120)
        return connection, json.loads(said)["location"]

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


class PortalPagesTest(portal_case.PortalCase):
    """What operators see, in all forms."""

    two_hosts = False  # the test itself connects to the portal
    paths = ("/", "/pages/enrich", "/overview", "/jobs", "/jobs/1", "/tasks", "/locks",
             "/executors", "/watchers")
    more_paths = ("/jobs/2", "/jobs/3", "/pages/single", "/jobs?state=failed", "/overview?hours=1")

    def _fill(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "web/a<b>.csv"), b"x")
        self.let_go()
        self.finished_jobs(1)
        tasks = os.path.join(self.folder, "tasks.yaml")
        case.write(tasks, b"tasks: [{name: nightly, period: day, run: {command: [/bin/true]}}]")
        self.fleet.must("task", "apply", "-f", tasks)

    def _fill_more(self):
        """Something of everything that pages may have to show."""
        case.write(os.path.join(self.home("unenriched"), "broken/table.csv"), b"x")
        self.finished_jobs(2)
        self.fleet.must("rate", "set", "api-x", "--limit", "100", "--per", "1h")
        self.fleet.must("rate", "take", "api-x", "--n", "60")
        holder = self.hosts.a.spawn(
            self.fleet.command("lock", "run", "one", "--", "sleep", "600", role="program"),
            os.path.join(self.folder, "holder.log"))
        self.addCleanup(holder.kill)
        self.until(lambda: any(row["holders"] for row in self.fleet.rows("lock", "list")),
                   "its lock")
        for name in ("a", "b"):
            case.write(os.path.join(self.home("unenriched"), f"single/{name}"), b"x")
        self.until(lambda: len(self.fleet.jobs()) == 4, "jobs that wait")
        return holder

    def test_every_page_in_every_form(self):
        self._fill()
        self._fill_more()
        made = self.browse()
        for scheme in ("light", "dark"):
            for kind, width in (("desktop", 1280), ("phone", 360)):
                tab = made.tab("ops", scheme=scheme, width=width)
                for path in (*self.paths, *self.more_paths):
                    with self.subTest(path=path, scheme=scheme, kind=kind):
                        self.assertEqual(tab.go(self.base + path), 200)
                        name = re.sub("[^a-z0-9]+", "-", path).strip("-") or "uploads"
                        self.check(tab, f"{name}-{scheme}-{kind}")
                tab.close()

    def test_a_page_that_refuses_opens_again(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "single/first"), b"x")
        self.until(lambda: [job for job in self.fleet.jobs() if job.state == "running"], "a job")
        tab = self.browse().tab("gus")
        tab.go(f"{self.base}/pages/single")
        tab.see("This page takes one file at a time")
        self.check(tab, "refused-light-desktop")
        # The page is not what keeps anybody out.
        cookie, token = self.token()
        status, said = self.post("/uploads?format=json", cookie, csrf=token, page="single",
                                 name="second", size="5")
        self.assertEqual(status, 409)
        self.assertIn("this page takes one file at a time, and a file that came before is being "
                      "worked on since", said)
        self.let_go()
        tab.see("Free")
        tab.files("#file", [self.file("second")])
        tab.click("button.main:enabled")
        tab.see("Done")
        tab.see("It has left no files")

    def test_a_lock_is_taken_away(self):
        self._fill()
        holder = self._fill_more()
        tab = self.browse().tab("ops")
        tab.go(f"{self.base}/locks")
        tab.see(r"one\s*sleep 600 \(pid \d+\) on \S+ since")
        tab.see(r"api-x\s*100 per 1h\s*4\d")
        tab.click("main button.danger")
        self.assertEqual(holder.wait(60.0), 125)
        self.until(lambda: not any(row["holders"] and row["holders"][0].get("session_id")
                                   for row in self.fleet.rows("lock", "list")), "its end")
        self.assertEqual(sorted(self.json("/locks")), ["csrf", "locks", "rates"])

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
