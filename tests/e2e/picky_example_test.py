"""deploy/examples/picky-api: a page, a real table, a picky service, mail; one command starts it."""

import csv
import http.client
import io
import json
import os
import re
import shlex
import signal
import subprocess
import unittest
import zipfile
import zlib

from e2e import case
from hosts import fleet, process, run_folder

_EXAMPLE = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "deploy", "examples",
                                         "picky-api"))
_START_S_MAX = 900.0
_MAILS_S_MAX = 120.0
_END_S_MAX = 60.0
_SHEET = "xl/worksheets/sheet1.xml"


def table(instead):
    """products.xlsx with another first product."""
    made = io.BytesIO()
    with zipfile.ZipFile(os.path.join(_EXAMPLE, "products.xlsx")) as source:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                content = source.read(name)
                if name == _SHEET:
                    content = content.replace(b"apples", instead.encode())
                target.writestr(name, content)
    return made.getvalue()


class PickyExampleTest(unittest.TestCase):
    """On this machine, as a reader starts it."""

    without_tls = "the example has a fleet of its own, without certificates"
    needs_root = False

    def setUp(self):
        self.port = fleet.free_port()
        self.output = os.path.join(run_folder.RunFolder("test").path, "output")
        with open(self.output, "wb") as file:
            # A group of its own, as a terminal gives it one: Ctrl-C reaches all of it.
            self.example = subprocess.Popen(  # pylint: disable=consider-using-with
                [os.path.join(_EXAMPLE, "run"), "--port", str(self.port)], stdout=file,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(self._end)

    def _end(self):
        if self.example.poll() is None:
            os.killpg(self.example.pid, signal.SIGINT)
        return self.example.wait(_END_S_MAX)

    def _said(self):
        said = case.read(self.output).decode(errors="replace")
        if self.example.poll() is not None:
            raise RuntimeError(f"it has ended: {said}")
        return said

    def _see(self, pattern, seconds_max):
        return process.until(lambda: re.search(pattern, self._said(), re.M), seconds_max, pattern)

    def _ask(self, method, path, **options):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, **options)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def _upload(self, name, content, email):
        """As the form without JavaScript does it."""
        answer, page = self._ask("GET", "/pages/prices", headers={"Accept": "application/json"})
        parts = [b'name="csrf"\r\n\r\n' + json.loads(page)["csrf"].encode(),
                 b'name="email"\r\n\r\n' + email.encode(),
                 f'name="file"; filename="{name}"\r\n\r\n'.encode() + content]
        body = b"".join(b"--XX\r\nContent-Disposition: form-data; " + part + b"\r\n"
                        for part in parts) + b"--XX--\r\n"
        answer, said = self._ask("POST", "/pages/prices", body=body, headers={
            "Cookie": answer.getheader("Set-Cookie").partition(";")[0],
            "Content-Type": "multipart/form-data; boundary=XX"})
        self.assertEqual(answer.status, 303, said)

    def test_two_tables_and_a_program(self):
        self._see(r"^==> Open http://127\.0\.0\.1:\d+/pages/prices", _START_S_MAX)
        firsts = {"ann": "apricots", "bob": "blueberries"}
        for name, product in firsts.items():
            self._upload(f"{name}.xlsx", table(product), f"{name}@example.org")
        program = shlex.split(self._see(r"^  a program .*: (.* lock run .*)$", 1).group(1))
        asked = subprocess.run(program, check=False, capture_output=True, timeout=_MAILS_S_MAX)
        self.assertEqual((asked.returncode, asked.stdout.decode()), (0, price("pears")),
                         asked.stderr)
        for name, product in firsts.items():
            mail = self._see(rf"^==> Mail to {name}@example\.org: .*succeeded.*\n"
                             rf"  attached: (.*/{name}\.csv)$", _MAILS_S_MAX)
            rows = list(csv.DictReader(io.StringIO(case.read(mail.group(1)).decode())))
            self.assertEqual([row["product"] for row in rows][:2], [product, "bananas"])
            self.assertEqual([float(row["price"]) for row in rows],
                             [float(price(row["product"])) for row in rows])
            self.assertEqual(len(rows), 8)
        seen = shlex.split(self._see(r"^  what the service has seen: (.*)$", 1).group(1))
        counted = json.loads(subprocess.run(seen, check=True, capture_output=True).stdout)
        self.assertEqual(counted, {"calls": 17, "refused": 0, "at_once_max": 1})

        folder = self._see(r"^  logs and configurations: (.*)$", 1).group(1)
        self.assertEqual(self._end(), 0, case.read(self.output))
        self.assertFalse(os.path.exists(folder))
        left = subprocess.run(["pgrep", "--full", folder], check=False, capture_output=True)
        self.assertEqual(left.stdout, b"", "processes that outlive the example")


def price(product):
    """What the service says."""
    return f"{zlib.crc32(product.encode()) % 10_000 / 100}\n"
