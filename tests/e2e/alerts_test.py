"""Alarms and messages: by a real mail server with STARTTLS, and by a webhook."""

import os

from e2e import case
from hosts import mail_server, webhook

_SOON_S_MAX = 90.0
_MISSED = """
tasks:
  - name: nightly
    period: day
    run: {command: [/bin/true]}
    alerts: {no_success_within: 6s, email: [ops@example.org, boss@example.org], remind_every: 1h}
"""
_PIPELINES = """
pipelines:
  - name: fragile
    on: {{volume: unenriched, match: ["fragile/**"]}}
    run: {{command: [/bin/sh, -c, 'echo the reason; exit 3']}}
    retry: {{attempts: 1}}
    alerts: {{failed: 2 in 1h, executor_lost: true, watcher_lost: true, webhook: '{hook}'}}
  - name: told
    on: {{volume: unenriched, match: ["told/**"]}}
    run:
      command: [/bin/sh, -c, 'echo line one; echo line two; cp "$1" "$2"', sh, "{{input}}",
                "{{output}}"]
    publish: {{volume: enriched}}
    notify: {{email: [user@example.org], on: [success], log_lines: 1, attach_max: 5B}}
"""


class AlertsCase(case.HostsCase):
    """A fleet whose coordinator may send mail."""

    needs_root = True

    def setUp(self):
        super().setUp()
        self.mail = mail_server.MailServer(self.hosts.a)
        self.hook = webhook.Webhook(self.hosts.a)
        # The certificate is made with the host, so the configuration is completed now.
        with open(self.fleet.coordinator.config, "a", encoding="utf-8") as file:
            file.write(self.mail.settings + "\njob_url: https://portal.example.org/jobs/{job}\n")
        self.mail.start()
        self.hook.start()
        self.fleet.add_executor(self.hosts.b, "cw-b-1")

    def begin(self):
        """Starts the fleet."""
        self.fleet.start()

    def mails(self, *subjects):
        """Waits until mails of exactly these subjects are there. Returns them."""
        def there():
            got = self.mail.subjects()
            return self.mail.mails() if len(got) >= len(subjects) else None
        mails = self.until(there, f"mails {subjects}", _SOON_S_MAX)
        self.assertEqual([mail["Subject"] for mail in mails], list(subjects))
        return mails


class MissedRunTest(AlertsCase):
    """Did it not run? Somebody is told, once."""

    def test_a_missed_run_is_told_once_and_so_is_its_end(self):
        self.begin()
        tasks = os.path.join(self.folder, "tasks.yaml")
        case.write(tasks, _MISSED.encode())
        self.fleet.must("task", "apply", "-f", tasks)
        self.mail.kill()  # the mail waits for it
        self.fleet.coordinator.restart()
        waiting = self.until(lambda: [row for row in self.fleet.rows("alert", "messages")
                                      if row["tries"] > 0], "a mail that waits", _SOON_S_MAX)
        self.assertEqual(len(waiting), 1)
        self.assertEqual(waiting[0]["email"], ["ops@example.org", "boss@example.org"])
        self.fleet.coordinator.restart()
        self.mail.start()
        missed = "[closewrite] task nightly: no success"
        [mail] = self.mails(missed)
        self.assertEqual(mail.recipients, ["ops@example.org", "boss@example.org"])
        self.assertEqual(mail["From"], "closewrite@example.org")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertIn("no job of task nightly has succeeded within 6s: none since it was "
                      "registered", mail_server.text_of(mail))
        self.assertEqual([row["task"] for row in self.fleet.rows("alert", "list")], ["nightly"])

        # Whatever comes behind it shows that it came once.
        test = "[closewrite] a test of alerts"
        self.assertEqual(self.fleet.must("alert", "test", "--task", "nightly"),
                         "sent to ops@example.org, boss@example.org\n")
        self.mails(missed, test)
        self.fleet.must("task", "run", "nightly", "--wait")
        over = f"[closewrite] all clear: {missed[len('[closewrite] '):]}"
        [*_, clear] = self.mails(missed, test, over)
        self.assertIn("This is over", mail_server.text_of(clear))
        self.assertEqual(len({mail["Message-ID"] for mail in self.mail.mails()}), 3)
        [incident] = self.fleet.rows("alert", "list", "--all")[-1:]
        self.assertEqual(incident["rule"], "no_success_within")
        self.assertIn("cleared_at", incident)


class AlertsTest(AlertsCase):
    """The other rules, and the ends of jobs."""

    def begin(self):
        super().begin()
        self.fleet.apply(_PIPELINES.format(hook=self.hook.url))

    def posts(self, *kinds):
        """Waits until posts of exactly these kinds are there. Returns their bodies."""
        posts = self.until(lambda: self.hook.posts()
                           if len(self.hook.posts()) >= len(kinds) else None,
                           f"posts {kinds}", _SOON_S_MAX)
        self.assertEqual([post["body"]["kind"] for post in posts], list(kinds))
        for post in posts:
            self.assertEqual((post["path"], post["type"]),
                             ("/hook?key=a%20b", "application/json"))
        return [post["body"] for post in posts]

    def test_failures_by_webhook(self):
        self.begin()
        for name in ("a", "b"):
            case.write(os.path.join(self.home("unenriched"), "fragile", name), b"x")
        [body] = self.posts("alarm")
        self.assertEqual(body["pipeline"], "fragile")
        self.assertEqual(body["rule"], "failed jobs")
        self.assertRegex(body["message"],
                         r"2 jobs of pipeline fragile have failed within 1h: \d, \d")
        self.assertTrue(body["text"].startswith("[closewrite] pipeline fragile: failed jobs\n"))

    def test_an_executor_is_lost_and_comes_back(self):
        self.begin()
        self.fleet.executors["cw-b-1"].kill()
        [lost] = self.posts("alarm")
        self.assertEqual((lost["rule"], lost["subject"]), ("executor lost", "cw-b-1"))
        self.fleet.executors["cw-b-1"].start()
        [_, back] = self.posts("alarm", "all_clear")
        self.assertEqual(back["subject"], "cw-b-1")
        # Who says goodbye is not lost, but a watcher that is away is missed.
        self.assertEqual(self.fleet.executors["cw-b-1"].stop(), 0)
        self.assertEqual(self.fleet.watchers["unenriched"].stop(), 0)
        [*_, watcher] = self.posts("alarm", "all_clear", "alarm")
        self.assertEqual((watcher["rule"], watcher["subject"]), ("watcher lost", "unenriched"))

    def test_the_end_of_a_job_is_told(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "told/naïve 文件.csv"), b"four")
        [mail] = self.mails(
            "[closewrite] pipeline told: job 1 has succeeded: unenriched:told/naïve 文件.csv")
        text = mail_server.text_of(mail)
        self.assertEqual(mail.recipients, ["user@example.org"])
        self.assertIn("https://portal.example.org/jobs/1", text)
        self.assertIn("enriched:told/naïve 文件.csv, 4 bytes", text)
        self.assertIn("line two", text)
        self.assertNotIn("line one", text)
        [attached] = mail.iter_attachments()
        self.assertEqual((attached.get_filename(), attached.get_content()),
                         ("naïve 文件.csv", b"four"))
        case.write(os.path.join(self.home("unenriched"), "told/large.csv"), b"123456")
        self.mails(mail["Subject"],
                   "[closewrite] pipeline told: job 2 has succeeded: unenriched:told/large.csv")
        large = self.mail.mails()[1]
        self.assertEqual(list(large.iter_attachments()), [])
        self.assertIn("enriched:told/large.csv: it is too large", mail_server.text_of(large))

    def test_what_is_wrong_is_said(self):
        self.begin()
        nobody = self.fleet.cli("alert", "test")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("nobody would be told", nobody.stderr.decode())
        unknown = self.fleet.cli("alert", "test", "--pipeline", "fragil")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("fragile", unknown.stderr.decode())
        refused = self.fleet.cli("alert", "test", "--webhook", "http://127.0.0.1:1/")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("was not taken", refused.stderr.decode())
        silent = self.fleet.cli("pipeline", "apply", "-f", "-", "--dry-run", input=b"""
pipelines:
  - name: silent
    on: {volume: unenriched, match: ["x"]}
    run: {command: [/bin/true]}
    alerts: {overflow: true}
""")
        self.assertEqual(silent.returncode, 0, silent.stderr.decode())
        self.assertIn("warning: pipeline silent: nobody would be told", silent.stderr.decode())
