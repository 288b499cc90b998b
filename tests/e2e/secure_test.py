"""Two hosts, certificates, and roles: what is allowed works as ever, and nothing else does."""

import os
import re
import subprocess

from e2e import case
from hosts import fleet

_FILES = 12
_SLOW_S = 4

# The second tells of itself by the command line, with the certificate of a program.
_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**"]}}
    run: {{command: [sh, -c, 'sleep "$3"; cat "$1" > "$2"', sh,
                     "{{input}}", "{{output}}", "{{stem}}"]}}
    publish: {{volume: enriched}}
  - name: load
    on: {{volume: unenriched, match: ["load/**"]}}
    run: {{command: [{program}, increment, log, sales, --records, "3", --increment, "41"]}}
    retry: {{attempts: 1}}
"""


class SecureTest(case.FleetCase):
    """Everything with TLS."""

    tls = True
    executors = ()

    def setUp(self):
        super().setUp()
        self.fleet.apply(_PIPELINES.format(program=fleet.program("cli")))

    def add_executors(self):
        """Two, whose commands have a certificate of their own."""
        env = {"CLOSEWRITE_TLS": self.fleet.authority.issue("program", "scripts")}
        for name in ("cw-b-1", "cw-b-2"):
            self.fleet.add_executor(self.hosts.b, name, env=env).start()
        self.fleet.wait_ready()

    def drop(self, path, content=b"x"):
        case.write(os.path.join(self.home("unenriched"), path), content)

    def test_files_come_back_through_deaths(self):
        self.add_executors()
        wanted = {}
        for number in range(_FILES):
            # Its name says how long it takes.
            path = f"copy/{number}/{_SLOW_S if number < 2 else 0}.csv"
            wanted[path] = str(number).encode()
            self.drop(path, wanted[path])
        self.until(lambda: [job for job in self.fleet.jobs() if job.state == "running"], "jobs run")
        self.fleet.coordinator.restart()
        # Its guardian says so, with the same certificate.
        self.fleet.executors["cw-b-1"].kill()
        self.fleet.executors["cw-b-1"].start()
        jobs = self.finished_jobs(_FILES)
        self.assertEqual({job.state for job in jobs}, {"succeeded"})
        self.assertEqual(self.results(), sorted(path.encode() for path in wanted))
        for path, content in wanted.items():
            self.assertEqual(self.read_result(path.encode()), content)

    def test_a_command_speaks_as_a_program(self):
        self.add_executors()
        self.drop("load/a.csv")
        self.finished_jobs(1)
        self.assertEqual(self.fleet.jobs()[0].state, "succeeded",
                         self.fleet.must("logs", str(self.fleet.jobs()[0].id)))
        self.assertIn("41", self.fleet.must("increment", "list"))

    def refused(self, *args, **options):
        """What the command line says of a call that is not allowed."""
        done = self.fleet.cli(*args, **options)
        self.assertNotEqual(done.returncode, 0, args)
        return done.stderr.decode()

    def test_each_role_does_its_own(self):
        self.drop("copy/0.csv")
        self.until(self.fleet.jobs, "a job")
        number = str(self.fleet.jobs()[0].id)
        may = {"viewer": ("jobs",), "operator": ("jobs",), "admin": ("jobs",),
               "program": ("lock", "list")}
        for role, args in may.items():
            self.fleet.must(*args, role=role)
        self.assertIn("viewer viewer may not call JobService.CancelJobs; it takes one of the roles",
                      self.refused("cancel", number, role="viewer"))
        self.assertIn("may not call", self.refused("jobs", role="uploader"))
        self.assertIn("may not call", self.refused("jobs", role="coordinator"))
        path = os.path.join(self.folder, "p.yaml")
        fleet.write(path, _PIPELINES.format(program="/bin/true"))
        self.assertIn("may not call PipelineService.ApplyPipelines",
                      self.refused("pipeline", "apply", "-f", path, role="operator"))
        self.assertEqual(self.fleet.jobs()[0].state, "available")
        self.fleet.must("cancel", number, role="operator")

    def test_what_shows_nothing_learns_nothing(self):
        authority = self.fleet.certificates("viewer")
        only_ca = os.path.join(self.folder, "only-ca")
        os.makedirs(only_ca)
        with open(os.path.join(authority, "ca.crt"), "rb") as file:
            case.write(os.path.join(only_ca, "ca.crt"), file.read())
        plain = self.hosts.a.run([fleet.program("cli"), "--coordinator", self.fleet.address,
                                  "--connect-timeout", "1s", "jobs"])
        self.assertEqual(plain.returncode, 125)
        self.assertIn(b"TLS", plain.stderr)
        # A token, made and handed over as the documents say.
        tokens = os.path.join(self.folder, "tokens")
        made = subprocess.run([fleet.program("cli"), "token", "new", "viewer", "alice", "--add",
                               tokens], check=True, capture_output=True)
        with open(self.fleet.coordinator.config, "a", encoding="utf-8") as file:
            file.write(f"tokens: {tokens}\n")
        self.fleet.coordinator.restart()
        self.until(lambda: self.fleet.cli("jobs").returncode == 0, "the coordinator")

        def ask(token, *args):
            return self.hosts.a.run([fleet.program("cli"), "--coordinator", self.fleet.address,
                                     "--tls", only_ca, *args],
                                    env={**os.environ, "CLOSEWRITE_ACCESS_TOKEN": token})
        token = made.stdout.decode().strip()
        self.assertEqual(ask(token, "jobs").returncode, 0)
        self.assertIn(b"viewer alice may not call", ask(token, "cancel", "1").stderr)
        self.assertIn(b"token is not known", ask("cw_" + "x" * 43, "jobs").stderr)
        fleet.write(tokens, "")
        self.until(lambda: ask(token, "jobs").returncode != 0, "the token is taken away")

    def test_hosts_are_who_their_certificates_say(self):
        thief = self.fleet.add_executor(self.hosts.b, "cw-b-3")
        stolen = self.fleet.authority.lines("executor", "cw-a", "--label", "*")
        rewrite(thief.config, r"tls: .*", stolen)
        thief.start()
        self.until(lambda: not thief.process.alive(), "it does not even start")
        self.assertIn(b"is that of executor cw-a; needed is one of executor cw-b",
                      thief.process.read_log())
        # One that is honest to itself, and has a label that its certificate does not.
        rewrite(thief.config, r"tls: .*", self.fleet.authority.lines("executor", "cw-b"))
        rewrite(thief.config, r"labels: .*", "labels: [internet]")
        thief.start()
        self.until(lambda: b"does not allow the label" in thief.process.read_log(), "a refusal")
        self.assertEqual(self.fleet.rows("executors"), [])
        watcher = self.fleet.watchers["enriched"]
        watcher.stop()
        rewrite(watcher.config, r"tls: .*",
                self.fleet.authority.lines("watcher", "cw-a", "--volume", "other"))
        watcher.start()
        self.until(lambda: b"does not allow to be home of volume" in watcher.process.read_log(),
                   "a refusal")


def rewrite(path, pattern, text):
    """Replaces the one place in a file that the pattern finds."""
    with open(path, encoding="utf-8") as file:
        old = file.read()
    new, count = re.subn(pattern, lambda _: text, old)
    assert count == 1, (path, pattern)
    fleet.write(path, new)
