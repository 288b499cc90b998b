"""Completeness contracts: what it takes to make a job, from the file to the command."""

import json
import os
import time

from e2e import case

_PIPELINES = """
pipelines:
  - name: marked
    on: {{volume: unenriched, match: ["marked/**"], marker: "{{name}}.done"}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: names
    on: {{volume: unenriched, match: ["names/**"], when: create}}
    run: {{command: [sh, -c, "echo $1 > $2", sh, "{{path}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: gone
    on: {{volume: unenriched, match: ["gone/**"], when: delete}}
    run: {{command: [sh, -c, "test ! -e $1 && echo $1 > $2", sh, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: silent
    on: {{volume: unenriched, match: ["silent/**"], quiet: 500ms}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: closed
    on: {{volume: unenriched, match: ["closed/**"]}}
    run: {{command: [sh, -c, "exit 7"]}}
    retry: {{attempts: 1}}
"""


class ContractsTest(case.FleetCase):
    """One fleet on one machine; each test has a folder of its own."""

    needs_root = False
    executors = (("cw-b-1", 2),)
    pipelines = _PIPELINES

    def _path(self, path):
        return os.path.join(self.home("unenriched"), path)

    def _write(self, path, content=b"x"):
        case.write(self._path(path), content)

    def _flush(self):
        self.fleet.must("flush", "unenriched")

    def _wait(self, match):
        """Waits for the jobs of the files; returns the exit code and what was published."""
        done = self.fleet.cli("wait", "--input", "unenriched", "--match", match,
                              "--timeout", "60s")
        return done.returncode, done.stdout.decode().splitlines()

    def test_marker_starts_each_version_once(self):
        self._write("marked/a", b"one")
        self._flush()
        self.assertEqual(self.fleet.jobs(), [])
        verdict = self.fleet.cli("pipeline", "test", "unenriched:marked/a").stdout.decode()
        self.assertIn("marker marked/a.done is missing", verdict)
        self._write("marked/a.done", b"")
        self.assertEqual(self._wait("marked/a"), (0, ["enriched:marked/a"]))
        self.assertEqual(self.read_result(b"marked/a"), b"one")
        self._write("marked/a", b"second")  # its marker is stale
        self._flush()
        self.assertEqual(len(self.fleet.jobs()), 1)
        self._write("marked/a.done", b"2")
        self.assertEqual(self._wait("marked/a"), (0, ["enriched:marked/a"]))
        self.assertEqual(self.read_result(b"marked/a"), b"second")
        self.assertEqual(len(self.fleet.jobs()), 2)

    def test_marker_and_file_come_while_the_watcher_is_down(self):
        self._write("marked/b", b"one")
        self._write("marked/b.done", b"")
        self.assertEqual(self._wait("marked/b")[0], 0)
        self.fleet.watchers["unenriched"].kill()
        self._write("marked/b", b"second")
        self._write("marked/b.done", b"2")
        self._write("marked/c", b"third")
        self._write("marked/c.done", b"")
        self.fleet.watchers["unenriched"].start()
        self.assertEqual(self._wait("marked/*")[0], 0)
        self.assertEqual(self.read_result(b"marked/b"), b"second")
        self.assertEqual(self.read_result(b"marked/c"), b"third")

    def test_create_does_not_wait_for_the_content(self):
        os.makedirs(self._path("names"))
        with open(self._path("names/open"), "wb") as file:
            file.write(b"not all")
            file.flush()
            self.assertEqual(self._wait("names/open"), (0, ["enriched:names/open"]))
            file.write(b" of it")
        self._write("names/open", b"another version")
        self._flush()
        self.assertEqual(len(self.fleet.jobs()), 1)

    def test_delete_runs_without_an_input(self):
        self._write("gone/a")
        self._flush()
        os.remove(self._path("gone/a"))
        self.assertEqual(self._wait("gone/a"), (0, ["enriched:gone/a"]))
        self._write("gone/a")
        self._flush()  # what goes before it was ever announced is not missed by anybody
        os.rename(self._path("gone/a"), self._path("gone/b"))
        self.assertEqual(self._wait("gone/*")[0], 0)
        self.assertEqual(len(self.fleet.jobs()), 2)

    def test_quiet_takes_a_file_that_is_never_closed(self):
        os.makedirs(self._path("silent"))
        with open(self._path("silent/a"), "wb") as file:
            file.write(b"all of it")
            file.flush()
            self.until(lambda: b"silent/a" in self.results(), "result of a file that is open")
        self.assertEqual(self.read_result(b"silent/a"), b"all of it")

    def test_wait_for_inputs_passes_the_commands_code(self):
        self._write("closed/a")
        self.assertEqual(self._wait("closed/a"), (7, []))
        self.assertEqual(self._wait("closed/*")[0], 0)  # nothing is unfinished any more

    def test_flush_of_what_cannot_be_flushed(self):
        begun = time.monotonic()
        self.fleet.watchers["unenriched"].kill()
        late = self.fleet.cli("flush", "unenriched", "--timeout", "1s")
        self.assertEqual(late.returncode, 124, late.stderr)
        self.assertIn(b"watcher of volume unenriched", late.stderr)
        self.assertLess(time.monotonic() - begun, 30)
        self.fleet.watchers["unenriched"].start()
        self._flush()

    def test_watchers_tell_the_state_of_their_volumes(self):
        self._flush()
        rows = [json.loads(line) for line in
                self.fleet.cli("watchers", "-o", "json").stdout.splitlines()]
        volume = next(volume for row in rows for volume in row["volumes"]
                      if volume["volume"] == "unenriched")
        self.assertEqual(volume["backend"], "inotify")
        self.assertEqual(volume["overflows"], 0)
        self.assertIn("canary_misses", volume)
