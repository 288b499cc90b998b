"""What goes wrong, and that the first three lines of `explain` or `doctor` name the cause."""

import os

from e2e import case
from hosts import fleet

_CAUSE_LINES = 3
_WATCHES_MAX = 20
_DIRECTORIES = 50

_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**/*.csv"]}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
  - name: labelled
    on: {{volume: unenriched, match: ["labelled/**"]}}
    run: {{command: ["true"], labels: [internet]}}
  - name: locked
    on: {{volume: unenriched, match: ["locked/**"]}}
    run: {{command: [sleep, "60"]}}
    locks: [picky-api]
  - name: missing
    on: {{volume: unenriched, match: ["missing/**"]}}
    run: {{command: [/opt/no-such-script.R, "{{input}}"]}}
    retry: {{attempts: 1}}
  - name: fails
    on: {{volume: unenriched, match: ["fails/**"]}}
    run: {{command: [sh, -c, "echo reading; echo no column named price >&2; exit 3"]}}
    retry: {{attempts: 1}}
  - name: hangs
    on: {{volume: unenriched, match: ["hangs/**"]}}
    run: {{command: [sh, -c, "echo connecting; sleep 600"]}}
"""

_MISSPELT = """
pipelines:
  - name: misspelt
    on: {{volume: {volume}, match: ["misspelt/**"]}}
    run: {{command: [cp, "{{{word}}}", "{{output}}"]}}
    publish: {{volume: enriched}}
"""


class TroublesCase(case.FleetCase):
    """Files that are not processed, and somebody who asks why."""

    executors = (("cw-b-1", 4),)
    pipelines = _PIPELINES

    def write(self, path, content=b"x"):
        case.write(os.path.join(self.home("unenriched"), path), content)

    def job(self, path, *states):
        """The job of a file, once it is there and in one of the states, if any are given."""
        return self.until(
            lambda: next((job for job in self.fleet.jobs() if job.path == path.encode()
                          and (not states or job.state in states)), None),
            f"job of {path} in {states or 'any state'}")

    def cause(self, *args):
        """The first lines of what a command prints."""
        done = self.fleet.cli(*args)
        return "\n".join(done.stdout.decode().splitlines()[:_CAUSE_LINES])

    def assert_explained(self, what, *words):
        """That `explain` names all words in its first lines, before long."""
        last = []

        def told():
            last[:] = [self.cause("explain", what)]
            return all(word in last[0] for word in words)
        try:
            self.until(told, "the cause", 30)
        except TimeoutError:
            self.fail(f"{words} not in:\n{last[0]}")


class TroublesTest(TroublesCase):
    """What one fleet can have at once."""

    def test_wrong_glob(self):
        self.write("copy/a.txt")
        self.assert_explained("unenriched:copy/a.txt", "no job was made of unenriched:copy/a.txt",
                              "pipeline copy: the name matches none of: copy/**/*.csv")

    def test_wrong_label(self):
        self.write("labelled/a")
        job = self.job("labelled/a")
        self.assert_explained(str(job.id), "no executor with label internet")
        self.assert_explained("unenriched:labelled/a", "no executor with label internet")
        doctor = self.fleet.cli("doctor")
        self.assertEqual(doctor.returncode, 1, doctor.stdout)
        self.assertIn("internet", doctor.stdout.decode())

    def test_lock_held(self):
        self.write("locked/a")
        first = self.job("locked/a", "running")
        self.write("locked/b")
        second = self.job("locked/b")
        self.assert_explained(str(second.id), f"lock picky-api held by job {first.id} on cw-b")

    def test_pipeline_is_misspelt(self):
        """It is said when it is applied or tried, not by job after job that fails."""
        path = os.path.join(self.hosts.a.folder, "misspelt.yaml")
        fleet.write(path, _MISSPELT.format(volume="unenriched", word="inptu"))
        refused = self.fleet.cli("pipeline", "apply", "-f", path)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("did you mean {input}?", refused.stderr.decode())
        fleet.write(path, _MISSPELT.format(volume="unenrched", word="input"))
        warned = self.fleet.cli("pipeline", "apply", "--dry-run", "-f", path)
        self.assertEqual(warned.returncode, 0, warned.stderr)
        self.assertIn('volume unenrched: did you mean "unenriched"?', warned.stderr.decode())

    def test_name_is_ignored(self):
        tried = self.fleet.cli("pipeline", "test", "unenriched:copy/.~tmp~/a.csv",
                               "unenriched:copy/a.csv", "unenrched:copy/a.csv")
        rows = tried.stdout.decode().splitlines()
        takes = [row.split()[2] for row in rows if row.split()[1] == "copy"]
        self.assertEqual(takes, ["no", "yes", "no"], tried.stdout)
        self.assertIn("it lies below copy/.~tmp~, which its volume ignores", tried.stdout.decode())
        self.assertIn('volume unenrched: did you mean "unenriched"?', tried.stderr.decode())

    def assert_waits_for_volume(self, path, point, *words):
        """That the job of a file waits, and that all who are asked say for which volume."""
        def waits():
            job = self.job(path)
            self.assertNotEqual(job.state, "failed", job.row["message"])
            return job if (job.row["waiting"] or {}).get("reason") == "volume_unusable" else None
        job = self.until(waits, f"{path} waits for its volume", 30)
        self.assertEqual((job.state, job.row["attempts"]), ("available", 0))
        expected = ("volume enriched can't be used on cw-b at " + point, *words)
        for word in expected:
            self.assertIn(word, job.row["waiting"]["message"])
            self.assertIn(word, self.fleet.must("jobs"))
            self.assertIn(word, self.fleet.must("job", str(job.id)))
        self.assert_explained(str(job.id), *expected)

    def assert_goes_on(self, *paths):
        """That jobs that waited for their volume go on by themselves, and no attempt was spent."""
        for path in paths:
            job = self.job(path, "succeeded")
            self.assertEqual(job.row["attempts"], 1)
            self.assertIn(path.encode(), self.results())

    def test_mount_is_read_only(self):
        point = self.hosts.path(self.hosts.b, "enriched")
        self.hosts.b.check(["mount", "-o", "remount,bind,ro", point])
        self.write("copy/a.csv")
        self.assert_waits_for_volume("copy/a.csv", point, "Read-only file system")
        self.until(lambda: "Read-only file system" in self.cause("doctor"),
                   "the doctor names the mount")
        self.assertIn("enriched", self.cause("doctor"))
        self.hosts.b.check(["mount", "-o", "remount,bind,rw", point])
        self.assert_goes_on("copy/a.csv")

    def test_volume_is_unmounted(self):
        """Its jobs staged into the folder below, and were dead letters."""
        point = self.hosts.path(self.hosts.b, "enriched")
        self.hosts.b.check(["umount", "--lazy", point])
        names = [f"copy/{number}.csv" for number in range(6)]
        for name in names:
            self.write(name)
        for name in names:
            self.assert_waits_for_volume(name, point, "is it still mounted?")
        self.assertEqual(self.hosts.b.check(["ls", "-A", point]), b"")
        self.hosts.mount_again("enriched", self.hosts.a, self.hosts.b, "enriched")
        self.assert_goes_on(*names)

    def test_folder_of_results_is_gone(self):
        """On its home as well, where the watcher publishes."""
        home = self.home("enriched")
        os.rename(home, home + ".away")
        self.write("copy/a.csv")
        point = self.hosts.path(self.hosts.b, "enriched")
        self.assert_waits_for_volume("copy/a.csv", point, "No such file or directory")
        os.rename(home + ".away", home)
        self.assert_goes_on("copy/a.csv")

    def test_script_is_missing(self):
        self.write("missing/a")
        job = self.job("missing/a", "failed")
        self.assert_explained(str(job.id), "program `/opt/no-such-script.R` was not found on cw-b")

    def test_script_exits_3(self):
        self.write("fails/a")
        job = self.job("fails/a", "failed")
        self.assert_explained(str(job.id), "exit 3", "no column named price")

    def test_script_hangs(self):
        self.write("hangs/a")
        job = self.job("hangs/a", "running")
        self.assert_explained(str(job.id), "runs for", "pid ", "it has printed nothing for",
                              "its last line was: connecting")

    def test_file_is_never_closed(self):
        path = os.path.join(self.home("unenriched"), "copy", "a.csv")
        os.makedirs(os.path.dirname(path))
        self.hosts.b.spawn(["sh", "-c", f"exec 3> '{path}'; echo part >&3; exec sleep 600"],
                           os.path.join(self.hosts.b.folder, "writer.log"))
        self.until(lambda: os.path.exists(path), "the file")
        self.assert_explained("unenriched:copy/a.csv", "unenriched:copy/a.csv: it is not finished",
                              "sleep (pid ", "has it open for writing")


class WatcherTroublesTest(TroublesCase):
    """What is wrong with a watcher, on fleets of their own."""

    def test_watcher_is_down(self):
        self.fleet.watchers["unenriched"].process.kill()
        self.write("copy/a.csv")
        self.assert_explained("unenriched:copy/a.csv", "volume unenriched has no watcher online",
                              "cw-b")
        self.until(lambda: "cw-b" in self.cause("doctor") and "not connected" in
                   self.cause("doctor"), "the doctor names the watcher")

    def test_too_few_watches(self):
        watcher = self.fleet.watchers["unenriched"]
        for number in range(_DIRECTORIES):
            os.makedirs(os.path.join(self.home("unenriched"), f"d{number}"))
        watcher.process.kill()
        script = (f"echo {_WATCHES_MAX} > /proc/sys/user/max_inotify_watches; "
                  'exec "$0" --config "$1"')
        watcher.process = watcher.host.spawn(
            ["unshare", "--user", "--map-root-user", "sh", "-c", script,
             fleet.program("watcher"), watcher.config], watcher.log)
        self.until(lambda: "fs.inotify.max_user_watches" in self.cause("doctor"),
                   "the doctor names the limit")
        self.assertIn("unenriched", self.cause("doctor"))
