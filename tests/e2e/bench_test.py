"""The benchmark of the watcher works: everything is caught and its tables are whole. No speed."""

import os
import subprocess
import sys
import unittest

_WATCH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "bench", "watch")
_PARTS = ("burst", "latency", "start", "cpu", "logs")
_BENCH_S_MAX = 300.0


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


class Bench(unittest.TestCase):
    """tests/bench/watch --quick"""

    without_tls = "it measures services of its own, without certificates"
    needs_root = True

    def test_quick(self):
        """Every part has a table whose rows are as long as its head, and nothing was lost."""
        done = subprocess.run([sys.executable, _WATCH, "--quick", *_PARTS], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=_BENCH_S_MAX)
        said = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, 0, said + done.stderr.decode(errors="replace"))
        for part in _PARTS:
            with self.subTest(part):
                self.assertIn(f"\n### {part}: ", said)
                table = said.partition(f"\n### {part}: ")[2].partition("\n### ")[0]
                rows = [_cells(line) for line in table.splitlines() if line.startswith("|")]
                self.assertGreater(len(rows), 2)
                self.assertEqual({len(row) for row in rows}, {len(rows[0])})
                self.assertTrue(any(cell.startswith("closewrite") for row in rows for cell in row))
