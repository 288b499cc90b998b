"""Executors that do not run everything, and shut in what they run."""

import os

from e2e import case

_SECRET = b"tok-8c1f52"
_SCRIPT = """\
#!/bin/sh
id -un > "$CLOSEWRITE_OUTPUT"
grep NoNewPrivs /proc/self/status | cut -f 2 >> "$CLOSEWRITE_OUTPUT"
echo x > {outside}/written || echo shut in >> "$CLOSEWRITE_OUTPUT"
test "$TOKEN" = {secret} && echo told >> "$CLOSEWRITE_OUTPUT"
"""
_PIPELINES = """
pipelines:
  - name: allowed
    on: {{volume: unenriched, match: ["allowed/*"]}}
    run: {{command: [{folder}/allowed/script]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
  - name: refused
    on: {{volume: unenriched, match: ["refused/*"]}}
    run: {{command: [sh, -c, "echo ran > {{output}}; touch {folder}/outside/ran"]}}
    publish: {{volume: enriched}}
"""


class HardenedTest(case.HostsCase):
    """One executor with everything switched on; its mount is open to its user."""

    def setUp(self):
        super().setUp()
        for name in ("allowed", "outside"):
            os.mkdir(os.path.join(self.folder, name))
        outside = os.path.join(self.folder, "outside")
        os.chmod(outside, 0o777)
        script = os.path.join(self.folder, "allowed", "script")
        case.write(script, _SCRIPT.format(outside=outside, secret=_SECRET.decode()).encode())
        os.chmod(script, 0o755)
        token = os.path.join(self.folder, "token")
        case.write(token, _SECRET + b"\n")
        os.chmod(token, 0o600)
        for folder in (self.folder, self.hosts.b.folder):
            os.chmod(folder, 0o755)
        point = self.hosts.path(self.hosts.b, "enriched")
        self.hosts.b.check(["umount", point])
        self.hosts.mount_again("enriched", self.hosts.a, self.hosts.b, "enriched",
                               options=("allow_other",))
        executor = self.fleet.add_executor(self.hosts.b, "cw-b-1")
        with open(executor.config, "a", encoding="utf-8") as config:
            config.write(f"allow_commands: [{self.folder}/allowed]\nrun_as: nobody\n"
                         f"sandbox: read_only\nenv_files: {{TOKEN: {token}}}\n")
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format(folder=self.folder))

    def _files(self):
        for root, _, names in os.walk(self.folder):
            if not root.startswith(os.path.join(self.folder, "allowed")):
                yield from (os.path.join(root, name) for name in names if name != "token")

    def test_what_is_allowed_runs_shut_in_and_the_rest_not_at_all(self):
        """One after the other, on one fleet."""
        for name in ("allowed", "refused"):
            case.write(os.path.join(self.home("unenriched"), name, "a"), b"x")
        jobs = {job.pipeline: job for job in self.finished_jobs(2)}
        self.assertEqual(jobs["allowed"].state, "succeeded", jobs["allowed"].message)
        self.assertEqual(self.read_result(b"allowed/a"), b"nobody\n1\nshut in\ntold\n")
        refused = jobs["refused"]
        self.assertEqual((refused.state, refused.row["attempts"]), ("failed", 1))
        told = self.fleet.must("explain", str(refused.id))
        for words in ("program `sh`", "executor cw-b-1", "allow_commands"):
            self.assertIn(words, told)
        self.assertEqual(self.results(), [b"allowed/a"])
        self.assertEqual(os.listdir(os.path.join(self.folder, "outside")), [])
        self.assertNotIn(_SECRET.decode(),
                         self.fleet.must("job", str(jobs["allowed"].id), "-o", "json"))
        self.assertEqual([path for path in self._files()
                          if os.path.isfile(path) and _SECRET in case.read(path)], [])
