"""Paths are bytes: any name that a file can have arrives, unharmed and harmless."""

import hashlib
import os

from e2e import case, transform

_NAMES = (
    b"two words", b" leading blank", b"trailing blank ", b"new\nline",
    b"tab\there", b"quote'and\"both",
    b"$(touch pwned)", b"`touch pwned`", b";touch pwned;", b"&& touch pwned", b"-rf", b"--help",
    b"{input}{output}{job}", b"%s%n%d", b"back\\slash", b"*", b"[a-z]?", b"#hash", b"~x", b"=",
    b"\xff\xfe not UTF-8 \x80", b"\x01\x02\x1b[31m", "Größe 数据 🙂".encode(), b"...",
    b"a:b", b"|",
)


class NamesTest(case.FleetCase):
    """One file for each odd name, and one with a name of 255 bytes."""

    pipelines = """
pipelines:
  - name: transform
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: ["{scripts}/reverse.py", "{{input}}", "{{output}}", "{{path}}", "{{name}}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 2, backoff: 100ms}}
"""

    def _write(self, path, content):
        target = os.path.join(os.fsencode(self.hosts.path(self.hosts.a, "unenriched")), path)
        self.hosts.a.check([b"sh", b"-c", b'mkdir -p "${0%/*}" && cat > "$0"', target],
                           input=content)

    def test_odd_names(self):
        paths = [*_NAMES, b"long " + b"x" * 250, b"sub folder/$(date)/\xf0\x28 file",
                 b"-dash/-n", *[os.path.join(b"deep\n", name) for name in _NAMES[:3]]]
        contents = {path: b"content of " + hashlib.sha256(path).digest() for path in paths}
        for path, content in contents.items():
            self._write(path, content)
        jobs = self.finished_jobs(len(paths))
        self.assertEqual(sorted(job.path for job in jobs), sorted(paths))
        self.assertEqual({job.path: (job.state, job.message) for job in jobs
                          if job.state != "succeeded"}, {})
        self.assertEqual(self.results(), sorted(paths))
        for path, content in contents.items():
            # The command adds the arguments that it was given.
            wanted = b"\0".join((transform.transformed(content), path, os.path.basename(path)))
            self.assertEqual(self.read_result(path), wanted, path)
        # Commands are started in their staging folder or in the executor's own, which is `/`.
        self.assertFalse(os.path.exists("/pwned"))
        self.assertEqual(self.hosts.b.check(["find", self.folder, "-name", "pwned"]), b"")

    def test_odd_names_on_the_command_line(self):
        path = b"new\nline $(touch pwned) \xff.csv"
        self._write(path, b"x")
        self.finished_jobs(1)
        told = self.fleet.cli("explain", b"unenriched:" + path)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn(b"\\xff.csv", told.stdout)
        self.assertNotIn(path, told.stdout)
        local = os.path.join(os.fsencode(self.home("unenriched")), path)
        told = self.fleet.cli("explain", local, on=self.hosts.b)
        self.assertEqual(told.returncode, 0, told.stderr)
