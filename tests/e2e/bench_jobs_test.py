"""The benchmark of durable jobs works: its tables are whole and nothing failed. No speed."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

_JOBS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "bench", "jobs")
_SECTIONS = ("floor", "submit", "drain", "watched", "commands", "tasks")
_BENCH_S_MAX = 300.0


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


class BenchJobs(unittest.TestCase):
    """tests/bench/jobs --quick"""

    without_tls = "it measures services of its own, without certificates"
    needs_root = False

    def test_quick(self):
        """Every section has a table whose rows are as long as its head, and a rate of ours; all
        numbers are in the JSON too.
        """
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = subprocess.run(
                [sys.executable, _JOBS, "--quick", "--store", "sqlite", "--json", file.name, "ours",
                 *_SECTIONS], check=False, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=_BENCH_S_MAX)
            said = done.stdout.decode(errors="replace")
            self.assertEqual(done.returncode, 0, said + done.stderr.decode(errors="replace"))
            written = json.load(file)
        for section in (*_SECTIONS, "goals"):
            with self.subTest(section):
                table = said.partition(f"\n### {section}")[2].partition("\n### ")[0]
                rows = [_cells(line) for line in table.splitlines() if line.startswith("|")]
                self.assertGreater(len(rows), 2)
                self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        rates = [row["medians"]["rate"] for row in written["measured"]
                 if row["contender"].startswith("closewrite")]
        self.assertGreater(len(rates), len(_SECTIONS))
        self.assertTrue(all(rate > 0 for rate in rates), rates)
        self.assertEqual(written["missing"], [])
        self.assertGreater(len(written["goals"]), 10)
