"""What tests of the portal have in common: a fleet with one, and a browser."""

import http.client
import json
import os
import urllib.parse

from e2e import case
from hosts import browser, mail_server

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
  - name: broken
    on: {{volume: unenriched, match: ["broken/*"]}}
    run: {{command: [/bin/sh, -c, 'echo "no such column: id" >&2; exit 3']}}
    retry: {{attempts: 1}}
  - name: single
    on: {{volume: unenriched, match: ["single/*"]}}
    run: {{command: [/bin/sh, -c, 'while [ ! -e "{folder}/go" ]; do sleep 0.1; done']}}
    locks: [one]
    portal: {{folder: single, when_busy: refuse}}
"""
CSV = b"id;name\n1;anna\n2;bert\n"


class PortalCase(case.HostsCase):
    """A fleet with a portal on cw-a, which has what uploads go to by a mount, from cw-b."""

    needs_root = False
    portal_settings = ""

    def setUp(self):
        super().setUp()
        self.mail = None
        self.fleet.add_executor(self.hosts.b, "cw-b-1")
        settings = self.portal_settings.format(folder=self.folder) or "anonymous: admin"
        self.portal = self.fleet.make_portal(self.hosts.a, settings)
        self.base = f"http://{self.portal.address}"

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
        self.until(lambda: self.hosts.a.accepts(int(self.portal.address.rpartition(":")[2])),
                   "the portal")

    def browse(self):
        """A browser."""
        made = browser.Browser(self.script("drive.js"), self.at_keyboard,
                               os.path.join(self.folder, "browser.log"))
        self.addCleanup(made.close)
        return made

    def file(self, name, content=CSV):
        """A file to be uploaded; its path."""
        path = os.path.join(self.folder, "own", name)
        case.write(path, content)
        return path

    def let_go(self):
        """Commands may end."""
        case.write(os.path.join(self.folder, "go"), b"")

    def get(self, path, source="127.0.0.1", **headers):
        """(status, headers, body) of a request without a browser, from an address."""
        connection = http.client.HTTPConnection(self.portal.address, timeout=30,
                                                source_address=(source, 0))
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def post(self, path, cookie, **fields):
        """(status, body as text) of a small form without a browser."""
        connection = http.client.HTTPConnection(self.portal.address, timeout=60)
        connection.request("POST", path, body=urllib.parse.urlencode(fields), headers={
            "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

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
