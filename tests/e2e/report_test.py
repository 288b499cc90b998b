"""The page of `closewrite report`, of a real run and in a real browser."""

import json
import os
import subprocess

from e2e import case
from style import npm

_BROWSE_S_MAX = 180
_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**"]}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
  - name: fail
    on: {{volume: unenriched, match: ["fail/**"]}}
    run: {{command: [sh, -c, "sleep 0.1; exit 7"]}}
    retry: {{attempts: 2, backoff: 100ms}}
"""
# What would like to be more than a name.
_HOSTILE = b"fail/<img src=x onerror=alert(1)> & 'x' \xff.csv"
_HOSTILE_SHOWN = "fail/<img src=x onerror=alert(1)> & 'x' \\xff.csv"
_SOURCE = "</script><script>alert(1)</script>"
_COPIED = 20


class ReportTest(case.FleetCase):
    """What people see."""

    needs_root = False
    pipelines = _PIPELINES

    def setUp(self):
        super().setUp()
        self.page = os.path.join(self.folder, "report.html")

    def _run(self):
        home = os.fsencode(self.home("unenriched"))
        for number in range(_COPIED):
            case.write(os.path.join(home, b"copy/%d.csv" % number), b"x")
        case.write(os.path.join(home, b"fail/plain.csv"), b"x")
        case.write(os.path.join(home, _HOSTILE), b"x")
        for records, increment in ((100, 5_000_000_100), (50, 5_000_000_150)):
            self.fleet.must("increment", "log", _SOURCE, "--job", "sales-load", "--records",
                            str(records), "--increment", str(increment))
        self.finished_jobs(_COPIED + 2)

    def _browse(self):
        """{view: what the browser finds} of the page."""
        done = subprocess.run(["node", self.script("browse.js"), self.page], check=False,
                              env={**os.environ, "NODE_PATH": npm.modules()},
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=_BROWSE_S_MAX)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)

    def test_a_page_of_a_real_run(self):
        self._run()
        self.fleet.must("report", self.page, "--since", "1h")
        views = self._browse()
        self.assertEqual(set(views), {"light desktop", "light phone", "dark desktop",
                                      "dark phone"})
        for name, view in views.items():
            with self.subTest(view=name):
                self.assertEqual(view["complaints"], [])
                self.assertEqual([each for each in view["requests"] if each != "data:,"], [])
                self.assertEqual(view["strangers"], [])
                self.assertLessEqual(view["overflow"], 0)
                self.assertEqual([each["title"] for each in view["panels"]], [
                    "Jobs ended per minute", "How long commands ran", "How long results took",
                    "Failures by pipeline", "Newest failures", "Pipelines and tasks",
                    "Increments", "Records loaded per minute", "Executors"])
                for panel in view["panels"]:
                    self.assertTrue(panel["filled"], panel)
                self._check_charts(view["charts"])
                self._check_text(view["text"])
        self.assertNotEqual(views["light desktop"]["colors"], views["dark desktop"]["colors"])

    def _check_charts(self, charts):
        self.assertEqual([each["title"] for each in charts], [
            "Jobs ended per minute", "How long commands ran", "How long results took",
            "Failures by pipeline", f"Increment of {_SOURCE} by sales-load",
            "Records loaded per minute", "Jobs by executor"])
        for chart in charts:
            self.assertTrue(chart["named"], chart)
            self.assertGreaterEqual(chart["marks"], 1, chart)
            self.assertGreaterEqual(chart["ticks"], 2, chart)
            self.assertTrue(all(chart["units"]) and chart["units"], chart)
            self.assertEqual(chart["outside"], [], chart)
        self.assertEqual(charts[0]["units"], ["jobs per minute", "time, UTC"])

    def _check_text(self, text):
        for part in (self.fleet.address, "90.9 %", "unenriched:" + _HOSTILE_SHOWN,
                     "unenriched:fail/plain.csv", "exit code 7", _SOURCE, "5,000,000,150",
                     "cw-b-1"):
            self.assertIn(part, text)

    def test_nothing_has_happened_yet(self):
        self.fleet.must("report", self.page)
        for name, view in self._browse().items():
            with self.subTest(view=name):
                self.assertEqual(view["complaints"], [])
                self.assertLessEqual(view["overflow"], 0)
                self.assertIn("No job came to its end in this period.", view["text"])
                self.assertIn("No load was logged in this period.", view["text"])
                for panel in view["panels"]:
                    self.assertTrue(panel["filled"], panel)

    def test_numbers_for_programs(self):
        self._run()
        [report] = self.fleet.rows("report", "--since", "1h")
        self.assertEqual(report["jobs"]["succeeded"], _COPIED)
        self.assertEqual(report["jobs"]["failed"], 2)
        self.assertEqual(report["jobs"]["attempts"], _COPIED + 4)
        self.assertEqual(sum(each["jobs"]["succeeded"] for each in report["buckets"]), _COPIED)
        self.assertEqual([(each["name"], each["jobs"]["failed"]) for each in report["pipelines"]],
                         [("copy", 0), ("fail", 2)])
        self.assertGreater(report["jobs"]["duration"]["median"], 0)
        self.assertEqual(report["records"], 150)
        self.assertEqual([(each["datasource"], each["increment"]) for each in report["sources"]],
                         [(_SOURCE, 5_000_000_150)])
        self.assertEqual(len(report["failures"]), 2)
        self.assertEqual(sum(each["jobs"]["succeeded"] for each in report["executors"]), _COPIED)
        [later] = self.fleet.rows("report", "--since", "2020-01-01T00:00:00Z", "--until",
                                  "2020-02-01T00:00:00Z", "--bucket", "1d")
        self.assertEqual((later["jobs"]["succeeded"], len(later["buckets"])), (0, 31))


class SharedReportTest(ReportTest):
    """The same of a store on PostgreSQL, asked by any of two coordinators."""

    needs_root = True
    store = "postgresql"
    coordinators = 2
