"""Peers that lie: nothing good suffers from them, and they cost the coordinator little.

tests/hostile says what they do. Here a good job runs meanwhile, and the coordinator is watched from
outside: its answers, its memory, its descriptors.
"""

import json
import os
import time

from e2e import case
from hosts import fleet

# Beside what it had before. A coordinator may hold 256 MiB of messages that wait to be recorded,
# and gRPC about as much of those that have come in part: it looks at its bound now and then, on a
# busy machine less often (630 MiB were seen). Without a bound it is gigabytes.
_RESIDENT_MIB_MORE_MAX = 1024
_DESCRIPTORS_MORE_MAX = 3000
_DESCRIPTORS_LEFT_MAX = 100
_BACK_S_MAX = 60.0
_MISDEED_S_MAX = 120.0
_FLOOD_S = "1.5"
# Sessions that nobody hears of live for less than this.
_HOLD_S_MAX = "20"
_CLI_TIMEOUT = "10s"
_HALF_CONNECTIONS = 8
_CONNECTIONS = 1000
_CONNECTIONS_END_S_MAX = 120.0

_CONNECTIONS_PROGRAM = os.path.realpath(
    os.path.join(os.path.dirname(__file__), "..", "hostile", "connections.py"))

# `good` takes as long as a misdeed does: it waits for a file of its name. What the liar tells of
# its own volume and should not be believed would show as a job of `trap`.
_PIPELINES = """
pipelines:
  - name: good
    on: {{volume: unenriched, match: ["good/*"]}}
    run: {{command: [sh, -c, 'until [ -e "$3" ]; do sleep 0.05; done; cat "$1" > "$2"', sh,
                     "{{input}}", "{{output}}", "{folder}/release-{{name}}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1, on_lost: fail}}
  - name: failing
    on: {{volume: unenriched, match: ["failing/*"]}}
    run: {{command: ["false"]}}
    retry: {{attempts: 1}}
  - name: waiting
    on: {{volume: unenriched, match: ["waiting/*"]}}
    run: {{command: ["true"], labels: [nobody-has-it]}}
  - name: bait
    on: {{volume: unenriched, match: ["bait/*"]}}
    run: {{command: ["true"], labels: [hostile]}}
    retry: {{attempts: 1, on_lost: fail}}
  - name: trap
    on: {{volume: hostile, match: ["**"], ignore: ["flood/**", good]}}
    run: {{command: ["true"], labels: [nobody-has-it]}}
"""


class Usage:
    """What a process has of the machine, from proc(5)."""

    def __init__(self, pid):
        self._pid = pid
        self.started_at = self._stat()
        self.before = self.resident_mib()
        self.descriptors_before = self.descriptors_most = self.descriptors()
        self._forget_peak()

    def _forget_peak(self):
        # Resets VmHWM, see proc(5); where that is not allowed the peak is that of all its life.
        try:
            with open(f"/proc/{self._pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
        except OSError:
            pass

    def _stat(self):
        with open(f"/proc/{self._pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]

    def is_same(self):
        """Whether it is the process that it was."""
        return self._stat() == self.started_at

    def resident_mib(self, key="VmRSS"):
        """VmRSS, or VmHWM."""
        with open(f"/proc/{self._pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    def look(self):
        """To be called often while something goes on."""
        self.descriptors_most = max(self.descriptors_most, self.descriptors())

    def told(self):
        """One line for people."""
        return (f"VmRSS {self.before:.0f} MiB, at most {self.resident_mib('VmHWM'):.0f}, now "
                f"{self.resident_mib():.0f}; descriptors {self.descriptors_before}, at most "
                f"{self.descriptors_most}, now {self.descriptors()}")


class PeersCase(case.FleetCase):
    """How a misdeed is done, and what must hold whatever it was."""

    needs_root = False
    executors = (("cw-b-1", 4),)
    pipelines = _PIPELINES

    def setUp(self):
        super().setUp()
        self.coordinator = self.fleet.coordinator

    def drop(self, path, content=b"x"):
        case.write(os.path.join(self.home("unenriched"), path), content)

    def job_of(self, path, state):
        """Waits for the job of a file to be in a state; one that runs has begun, too."""
        return self.until(lambda: next(
            (each for each in self.fleet.jobs()
             if each.path == path.encode() and each.state == state
             and (state != "running" or int(each.row["pid"]) != 0)), None), f"{path} is {state}")

    def do(self, misdeed, *args, usage=None):
        """Runs it on cw-b. Returns what the peer tells; an assertion when it was not refused."""
        log = os.path.join(self.hosts.b.folder, f"peer-{misdeed}-{time.monotonic_ns()}")
        peer = self.hosts.b.spawn([fleet.program("hostile_peer"), misdeed, "--coordinator",
                                   self.coordinator.address, *args], log)

        def done():
            if usage:
                usage.look()
            return not peer.alive()
        answers = self.fleet.cli("jobs", "--timeout", _CLI_TIMEOUT)
        self.until(done, f"the end of {misdeed}", _MISDEED_S_MAX)
        self.assertEqual(answers.returncode, 0, f"jobs during {misdeed}: {answers.stderr}")
        told = self._told(peer)
        wrong = [each for each in told["tries"] + told["counts"] if not each["good"]]
        self.assertEqual((peer.exit_code(), wrong), (0, []), misdeed)
        return told

    def _told(self, peer):
        lines = [line for line in peer.read_log().splitlines() if line.startswith(b"{\"")]
        self.assertTrue(lines, peer.read_log()[-2000:])
        return json.loads(lines[-1])


class HostilePeersTest(PeersCase):
    """Without certificates: whoever reaches the coordinator may say anything."""

    without_tls = "with certificates a stranger says nothing at all; see StolenCertificatesTest"

    def setUp(self):
        super().setUp()
        self.usage = Usage(self.coordinator.process.pid)

    def _others(self):
        """All jobs but the good one and those that are the liar's own, as they are."""
        return sorted((each.id, each.pipeline, each.state, each.token, each.executor, each.message,
                       each.row["attempts"])
                      for each in self.fleet.jobs() if each.pipeline in ("failing", "waiting")
                      or (each.pipeline == "good" and each.state == "succeeded"))

    def _lie(self, misdeed, *args):
        """One misdeed while a good job runs."""
        path = f"good/{misdeed}"
        self.drop(path, misdeed.encode())
        job = self.job_of(path, "running")
        others = self._others()
        executor = next(row for row in self.fleet.rows("executors") if row["name"] == job.executor)
        try:
            self.do(misdeed, "--job", str(job.id), "--token", str(job.token), "--session",
                    executor["session_id"], "--owner", job.executor, *args, usage=self.usage)
            self.assertEqual(self._others(), others)
            self.assertTrue(self.coordinator.process.alive() and self.usage.is_same())
            now = next(each for each in self.fleet.jobs() if each.id == job.id)
            self.assertEqual((now.state, now.token, now.executor),
                             ("running", job.token, job.executor))
        finally:
            fleet.write(os.path.join(self.folder, f"release-{misdeed}"), "")
        done = self.job_of(path, "succeeded")
        self.assertEqual(done.token, job.token)
        self.assertEqual(self.read_result(path.encode()), misdeed.encode())

    def _all_misdeeds(self):
        """(name, arguments), each once."""
        return (
            ("stale-token",), ("steal-session",),
            ("foreign-volume", "--foreign", "unenriched", "--foreign", "enriched"),
            ("paths",), ("huge",), ("flood-hellos",), ("half-open", "--seconds", _HOLD_S_MAX),
            ("flood-events", "--seconds", _FLOOD_S),
            ("flood-logs", "--seconds", _FLOOD_S, "--label", "hostile", "--root", "unenriched"),
        )

    def test_nothing_good_suffers(self):
        """One after the other, on one fleet."""
        for path in ("failing/a", "waiting/a", "bait/a"):
            self.drop(path)
        self.job_of("failing/a", "failed")
        self.job_of("waiting/a", "available")
        self.job_of("bait/a", "available")
        self.usage = Usage(self.coordinator.process.pid)
        for misdeed in self._all_misdeeds():
            with self.subTest(misdeed[0]):
                self._lie(*misdeed)
            print(f"-- hostile peers: after {misdeed[0]}: {self.usage.told()}", flush=True)
        # It has run for the liar, who has fallen silent; that is told, and nothing else.
        self.job_of("bait/a", "failed")
        self.assertEqual([each for each in self.fleet.jobs() if each.pipeline == "trap"], [])
        self.assertEqual(self.results(), sorted(
            f"good/{each[0]}".encode() for each in self._all_misdeeds()))
        self._check_usage()

    def _connect(self, kind, count):
        """Starts tests/hostile/connections.py on cw-b, and waits until it has done its worst."""
        log = os.path.join(self.hosts.b.folder, f"connections-{kind}")
        peer = self.hosts.b.spawn([_CONNECTIONS_PROGRAM, self.coordinator.address,
                                   kind, str(count)], log)

        def holds():
            self.usage.look()
            self.assertTrue(peer.alive() or peer.exit_code() == 0, peer.read_log())
            return b"holds" in peer.read_log()
        self.until(holds, f"{kind} connections are there", _MISDEED_S_MAX)
        return peer

    def _good_job(self, name):
        """One from its file to its result."""
        self.drop(f"good/{name}", name.encode())
        fleet.write(os.path.join(self.folder, f"release-{name}"), "")
        self.job_of(f"good/{name}", "succeeded")
        self.assertEqual(self.read_result(f"good/{name}".encode()), name.encode())

    def test_messages_that_never_end_are_not_kept(self):
        """A gibibyte is sent in parts of messages, and more where streams are broken off."""
        self.usage = Usage(self.coordinator.process.pid)
        peer = self._connect("half", _HALF_CONNECTIONS)
        self._good_job("meanwhile")
        peer.kill()
        self._good_job("afterwards")
        print(f"-- hostile peers: messages that never end: {self.usage.told()}", flush=True)
        self.assertTrue(self.usage.is_same())
        self._check_usage()

    def test_connections_of_which_nothing_comes_are_closed(self):
        """Those that say nothing, and those that call nothing."""
        self.usage = Usage(self.coordinator.process.pid)
        peers = [self._connect(kind, _CONNECTIONS) for kind in ("silent", "idle")]
        self._good_job("meanwhile")
        for peer in peers:
            self.until(lambda peer=peer: not peer.alive(), "its connections are closed for it",
                       _CONNECTIONS_END_S_MAX)
            self.assertEqual(peer.exit_code(), 0, peer.read_log())
        self._good_job("afterwards")
        print(f"-- hostile peers: connections of which nothing comes: {self.usage.told()}",
              flush=True)
        self._check_usage()

    def _check_usage(self):
        usage = self.usage
        self.assertLess(usage.resident_mib("VmHWM") - usage.before, _RESIDENT_MIB_MORE_MAX,
                        usage.told())
        self.assertLess(usage.descriptors_most - usage.descriptors_before, _DESCRIPTORS_MORE_MAX,
                        usage.told())
        self.until(
            lambda: usage.descriptors() - usage.descriptors_before <= _DESCRIPTORS_LEFT_MAX,
            f"few descriptors are left: {usage.told()}", _BACK_S_MAX)


class StolenCertificatesTest(PeersCase):
    """With certificates, of which some are in the wrong hands."""

    tls = True

    def _stolen(self, role, name, *grants):
        folder = self.fleet.authority.issue(role, name, *grants)
        return ["--ca", os.path.join(folder, "ca.crt"), "--cert", os.path.join(folder, "tls.crt"),
                "--key", os.path.join(folder, "tls.key")]

    def test_a_certificate_is_worth_what_it_says(self):
        """One after the other, beside a good job."""
        self.drop("good/a", b"content")
        job = self.job_of("good/a", "running")
        session = next(row for row in self.fleet.rows("executors")
                       if row["name"] == job.executor)["session_id"]
        about = ["--job", str(job.id), "--token", str(job.token), "--session", session,
                 "--owner", job.executor, "--owner-host", "cw-b", "--foreign", "unenriched"]
        stolen = {
            "watcher": self._stolen("watcher", "cw-b", "--volume", "unenriched"),
            "executor": self._stolen("executor", "cw-b", "--label", "*"),
        }
        for role, certificate in stolen.items():
            with self.subTest(f"calls of {role}"):
                told = self.do("calls", *certificate, *about)
                self.assertEqual({each["code"] for each in told["tries"]}, {"PERMISSION_DENIED"})
                self.assertIn(f"{role} cw-b may not call", told["tries"][0]["message"])
        # Of a host that is one of the fleet, and has nothing to do with those.
        other = ["--host", "cw-c", "--name", "cw-c", "--volume", "hostile"]
        with self.subTest("steal-session"):
            self.do("steal-session", *self._stolen("executor", "cw-c", "--label", "*"), *other,
                    *about)
        with self.subTest("foreign-volume"):
            self.do("foreign-volume",
                    *self._stolen("watcher", "cw-c", "--volume", "hostile"), *other, *about)
        self.assertNotIn("hostile", [row["pipeline"]["name"]
                                     for row in self.fleet.rows("pipeline", "list")])
        fleet.write(os.path.join(self.folder, "release-a"), "")
        self.assertEqual(self.job_of("good/a", "succeeded").token, job.token)
        self.assertEqual(self.read_result(b"good/a"), b"content")
