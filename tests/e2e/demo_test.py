"""The demonstration keeps working, as the README promises it."""

import os
import re
import subprocess
import unittest

from e2e import case

_DEMO = os.path.join(case.SCRIPTS, "..", "..", "deploy", "local", "demo")
_DEMO_S_MAX = 900


class DemoTest(unittest.TestCase):
    """deploy/local/demo, on two hosts as root and on one otherwise."""

    without_tls = "the demonstration has a fleet of its own, without certificates"
    needs_root = False

    def _run(self, *args):
        return subprocess.run([_DEMO, *args], check=False, timeout=_DEMO_S_MAX,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def test_demo(self):
        done = self._run()
        said = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, 0, said)
        self.assertIn("each there once, each right", said)
        self.assertEqual(len(re.findall(r"p50 \d+ ms, p99 \d+ ms", said)), 2, said)

    def test_keep_and_stop(self):
        self.addCleanup(self._run, "--stop")
        done = self._run("--keep")
        said = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, 0, said)
        command = next(line for line in said.splitlines() if line.endswith(" executors")).split()
        asked = subprocess.run(command, check=False, capture_output=True, timeout=60)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        self.assertIn(b"cw-b-1", asked.stdout)
        self.assertEqual(self._run("--stop").returncode, 0)
        folder = os.path.dirname(command[0])
        self.assertFalse(os.path.exists(folder))
        left = subprocess.run(["pgrep", "--full", folder], check=False, capture_output=True)
        self.assertEqual(left.stdout, b"", "processes that outlive the demonstration")
