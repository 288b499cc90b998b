"""Grafana's dashboards: right by Grafana's types and Prometheus' grammar, and full of data when
they ask real servers about a real run."""

import math
import os
import re
import time
import unittest

from e2e import case, dashboards, influx_test
from hosts import prometheus

_JOB = "load"
_MODEL = ("--dataset", "sessions", "--target", "conversion", "--test", "TRUE", "--algorithm",
          "glm", "--metric", "mape", "--group", "all", "--records", "500", "--value", "0.25")
_PIPELINES = f"""
pipelines:
  - name: {_JOB}
    on: {{volume: unenriched, match: ["load/**"]}}
    run: {{command: [sh, -c, '
      case "$1" in *bad*) exit 7;; esac;
      closewrite increment log sales --records 5 --increment "$CLOSEWRITE_JOB" || exit;
      closewrite model log {" ".join(_MODEL)} || exit;
      cp -- "$1" "$2"', sh, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
    retry: {{attempts: 1}}
    locks: [database]
"""
_LOADS = 12
# What Grafana would put in the place of variables, for a dashboard that is open for a quarter of an
# hour.
_RANGE_S = 900
_STEP_S = 5
_PROMETHEUS_VALUES = {"__rate_interval": "30s", "__range": f"{_RANGE_S}s", "pipeline": ".*"}
_DATA_S_MAX = 120.0


def _has_data(series):
    """Whether any of a Prometheus' series has a number."""
    return any(not math.isnan(value) for _, values in series for value in values)


class DashboardFilesTest(unittest.TestCase):
    """What can be said without a server."""

    needs_root = False

    def setUp(self):
        self.boards = [dashboards.Dashboard(kind) for kind in ("prometheus", "influxdb")]

    def test_grafanas_types_take_them(self):
        self.assertEqual(dashboards.type_errors(
            {board.kind: board.typescript() for board in self.boards}), "")

    def test_grafanas_types_refuse_what_is_wrong(self):
        source = self.boards[0].typescript()
        sources = {}
        for right, wrong in (('"drawStyle": "bars"', '"drawStyle": "barz"'),
                             ('"legendFormat":', '"legend":'), ('"unit": "s"', '"units": "s"'),
                             ('"graphTooltip": 1', '"graphTooltip": 9'),
                             ('"type": "stat"', '"type": "stats"')):
            self.assertIn(right, source)
            sources[f"wrong{len(sources)}"] = source.replace(right, wrong)
        errors = dashboards.type_errors(sources)
        for name in sources:
            self.assertRegex(errors, rf"(?m)^{name}\.ts\(\d+,\d+\): error TS")

    def test_prometheus_grammar_takes_all(self):
        queries = self.boards[0].queries()
        expressions = [query.with_values(_PROMETHEUS_VALUES) for query in queries]
        for query, problem in zip(queries, dashboards.promql_errors(expressions)):
            with self.subTest(panel=query.panel):
                self.assertIsNone(problem, query.text)
        self.assertEqual(dashboards.promql_errors(["sum(rate(a[5m])", "a + b", "rate(a[$x])"])[1],
                         None)
        self.assertNotIn(None, dashboards.promql_errors(["sum(rate(a[5m])", "rate(a[$x])"]))

    def test_panels_say_what_they_show(self):
        for board in self.boards:
            ids = [panel["id"] for panel in board.json["panels"]]
            self.assertEqual(len(ids), len(set(ids)))
            titles = [panel["title"] for panel in board.panels]
            self.assertEqual(sorted(titles), sorted(set(titles)))
            for panel in board.panels:
                with self.subTest(board=board.kind, panel=panel["title"]):
                    self.assertRegex(panel["title"], "^[A-Z]")
                    self.assertRegex(panel["description"], r"^[A-Z0-9].*\.$")
                    self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                    self.assertTrue(panel["targets"])
            for query in board.queries():
                with self.subTest(board=board.kind, panel=query.panel, query=query.text):
                    # A table has columns in the place of a legend.
                    kinds = {panel["title"]: panel["type"] for panel in board.panels}
                    self.assertTrue(query.legend or kinds[query.panel] == "table")

    def test_panels_do_not_overlap(self):
        for board in self.boards:
            taken = {}
            for panel in board.json["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        other = taken.setdefault((x, y), panel["title"])
                        self.assertEqual(other, panel["title"])

    def test_queries_use_variables_that_there_are(self):
        known = {"prometheus": {"__rate_interval", "__range"},
                 "influxdb": {"timeFilter", "__interval"}}
        for board in self.boards:
            names = set()
            for query in board.queries():
                names |= set(re.findall(r"\$(\w+)", query.text))
            wanted = known[board.kind] | set(board.variables) - {"datasource"}
            self.assertLessEqual(names, wanted)
            self.assertLessEqual(set(board.variables) - {"datasource"}, names)
            for panel in board.panels:
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])

    def test_every_metric_is_one_of_ours(self):
        path = os.path.join(case.SCRIPTS, "..", "..", "docs", "metrics.md")
        documented = set(re.findall(r"^\| `(\w+)` \|", case.read(path).decode(), re.MULTILINE))
        self.assertGreater(len(documented), 50)
        for query in self.boards[0].queries():
            for name in re.findall(r"\b(?:closewrite|process)_\w+", query.text):
                base = re.sub("_(?:bucket|count|sum)$", "", name)
                self.assertTrue({name, base} & documented, f"{query.panel}: {name}")


class DashboardsTest(influx_test.InfluxCase):
    """Every query has an answer."""

    def setUp(self):
        super().setUp()
        targets = [service.metrics for service in self.fleet.services()]
        self.prometheus = prometheus.Prometheus(self.hosts.a, targets)
        self.targets = len(targets)

    def _run(self):
        self.begin()
        self.fleet.apply(_PIPELINES)
        self.prometheus.start()
        self.until(lambda: self.prometheus.targets_up() == self.targets,
                   f"Prometheus has scraped {self.targets} services")
        begun = time.time()
        home = self.home("unenriched")
        for number in range(_LOADS):
            case.write(os.path.join(home, f"load/{number}.csv"), b"x")
            if number % 4 == 0:
                case.write(os.path.join(home, f"load/bad-{number}.csv"), b"x")
            self.finished_jobs(number + number // 4 + 2)
        return begun

    def test_prometheus(self):
        begun = self._run()
        board = dashboards.Dashboard("prometheus")
        variable = board.variables["pipeline"]["definition"]
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable).groups()
        self.assertIn(_JOB, self.prometheus.label_values(label, metric))
        for query in board.queries():
            with self.subTest(panel=query.panel, query=query.text):
                self.until(lambda asked=query: self._ask_prometheus(asked, begun),
                           f"{query.panel}: {query.text}", _DATA_S_MAX)

    def _ask_prometheus(self, query, begun):
        text = query.with_values(_PROMETHEUS_VALUES)
        if query.instant:
            return _has_data(self.prometheus.values(text))
        return _has_data(self.prometheus.values(text, begun - _STEP_S, time.time(), _STEP_S))

    def test_influxdb(self):
        self._run()
        board = dashboards.Dashboard("influxdb")
        self.points("execution", 2 * _LOADS)
        [variable] = [each for name, each in board.variables.items() if name == "job"]
        self.assertIn(_JOB, [row["value"] for row in self.rows(variable["query"])])
        now_ms = int(time.time() * 1000)
        values = {"job": _JOB, "__interval": f"{_STEP_S}s",
                  "timeFilter": f"time >= {now_ms - _RANGE_S * 1000}ms and time <= {now_ms}ms"}
        for query in board.queries():
            with self.subTest(panel=query.panel, query=query.text):
                rows = self.rows(query.with_values(values))
                numbers = [value for row in rows for name, value in row.items()
                           if name != "time" and isinstance(value, (int, float))]
                self.assertTrue(any(numbers), rows[:3])
                self._check_legend(query, rows)

    def _check_legend(self, query, rows):
        for tag in re.findall(r"\$tag_(\w+)", query.legend):
            self.assertTrue(rows and all(tag in row for row in rows), f"no tag {tag}")

    def test_influxdb_counts_right(self):
        self._run()
        self.points("execution", 2 * (_LOADS + _LOADS // 4))
        board = dashboards.Dashboard("influxdb")
        values = {"job": _JOB, "timeFilter": "time > now() - 1h", "__interval": "1h"}
        by_panel = {query.panel: query for query in board.queries()}
        for panel, wanted in (("Started", _LOADS + _LOADS // 4), ("Ended", _LOADS),
                              ("Errors", _LOADS // 4)):
            rows = self.rows(by_panel[panel].with_values(values))
            self.assertEqual([row["sum"] for row in rows], [wanted], panel)
        [longest] = self.rows(by_panel["Longest"].with_values(values))
        self.assertGreater(longest["max"], 0)
        records = self.rows(by_panel["Records loaded"].with_values(values))
        self.assertEqual(sum(row["sum"] or 0 for row in records), 5 * _LOADS)
