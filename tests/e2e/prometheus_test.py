"""Metrics as a real Prometheus sees them, and alerts that come to a webhook by an Alertmanager."""

import os
import re
import subprocess
import unittest

from e2e import case
from hosts import process, prometheus, webhook

_TABLE = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "docs", "metrics.md"))
_ROW = re.compile(r"\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([a-z_`, ]*)\| .+ \|$")
_SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_SOON_S_MAX = 120.0
_JOBS = 20
_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**"]}}
    run: {{command: [/bin/sh, -c, 'echo a line; cp "$1" "$2"', sh, "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
    locks: [tool]
    alerts: {{no_success_within: 24h, webhook: 'http://10.77.0.1:8099/hook'}}
  - name: fail
    on: {{volume: unenriched, match: ["fail/**"]}}
    run: {{command: [/bin/false]}}
    retry: {{attempts: 2, backoff: 100ms}}
  - name: slow
    on: {{volume: unenriched, match: ["slow/**"]}}
    run: {{command: [/bin/sleep, "30"]}}
"""


def table():
    """{metric: (type, {label})} as docs/metrics.md has it, by the heading of its part."""
    parts = {}
    part = None
    for line in case.read(_TABLE).decode().splitlines():
        if line.startswith("## "):
            part = parts.setdefault(line[3:], {})
        row = _ROW.match(line)
        if row and part is not None:
            part[row[1]] = (row[2], set(re.findall("`([a-z_]+)`", row[3])))
    return {name: rows for name, rows in parts.items() if rows}


def told(page):
    """{metric: (type, {label})} as a service tells it; without what its library adds."""
    types = {}
    labels = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
            continue
        sample = _SAMPLE.match(line)
        if line.startswith("#") or not sample:
            continue
        name = sample[1]
        base = re.sub("_(bucket|count|sum)$", "", name)
        if types.get(base) == "histogram":
            name = base
        found = {label for label, _ in _LABEL.findall(sample[2] or "")} - {"le"}
        labels.setdefault(name, set()).add(frozenset(found))
    return {name: (types[name], labels[name]) for name in labels
            if not name.startswith("exposer_")}


class PrometheusCase(case.HostsCase):
    """A fleet all of whose services are scraped."""

    needs_root = True
    metrics = True
    executors = 1

    def setUp(self):
        super().setUp()
        for number in range(self.executors):
            self.fleet.add_executor(self.hosts.b, f"cw-b-{number + 1}", slots=4)
        self.hook = webhook.Webhook(self.hosts.a)
        self.alertmanager = prometheus.Alertmanager(self.hosts.a, self.hook.url)
        self.prometheus = prometheus.Prometheus(
            self.hosts.a, [service.metrics for service in self.fleet.services()],
            self.alertmanager)

    def begin(self):
        """Starts the fleet and Prometheus."""
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format())
        self.prometheus.start()

    def add_file(self, path):
        """One for the pipeline whose name the path begins with."""
        case.write(os.path.join(self.home("unenriched"), path), b"x")

    def value(self, expression):
        """Of a query that gives one; None when it gives none."""
        rows = self.prometheus.query(expression)
        self.assertLessEqual(len(rows), 1, expression)
        return rows[0][1] if rows else None

    def await_value(self, expression, value):
        """Waits until Prometheus has scraped that."""
        self.until(lambda: self.value(expression) == value,
                   f"{expression} = {value}; last seen: {self.value(expression)}", _SOON_S_MAX)


class TableTest(PrometheusCase):
    """docs/metrics.md, what is served, and what is true are one."""

    # There is no InfluxDB, which does not matter to who counts what waits for it.
    coordinator_settings = ('influx: {url: "http://10.77.0.1:8086", database: none}',)

    def _run_jobs(self):
        for number in range(_JOBS):
            self.add_file(f"copy/{number}")
        self.add_file("fail/a")
        self.finished_jobs(_JOBS + 1)
        self.fleet.must("task", "add", "broken", "--forever", "--backoff", "10ms", "--", "false")
        self.fleet.must("task", "start", "broken")
        self.until(lambda: self.numbers().get(
            'closewrite_coordinator_task_crash_loop{task="broken"}') == 1, "a crash loop")

    def _compare(self, service, rows):
        # A canary comes once a minute.
        process.until(lambda: not self._missing(service, rows), _SOON_S_MAX,
                      f"all metrics of {service.name}; {self._missing(service, rows)}")
        found = told(self.page(service))
        self.assertEqual(set(found) - set(rows), set(), f"{service.name}: not in docs/metrics.md")
        for name, (kind, labels) in rows.items():
            with self.subTest(metric=name):
                self.assertEqual(found[name], (kind, {frozenset(labels)}))
        checked = subprocess.run(["/usr/bin/promtool", "check", "metrics"], check=False,
                                 input=self.page(service).encode(), capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))

    def _missing(self, service, rows):
        return sorted(set(rows) - set(told(self.page(service))))

    def test_every_metric_of_the_table_is_served_and_no_other(self):
        self.begin()
        self._run_jobs()
        parts = table()
        everywhere = parts["Every service"]
        self.assertGreater(len(everywhere), 4)
        self.assertIn("Coordinator with TLS", parts)
        for kind, heading in (("coordinator", "Coordinator"), ("watcher", "Watcher"),
                              ("executor", "Executor")):
            with_tls = parts.get(f"{heading} with TLS", {}) if self.fleet.authority else {}
            rows = {**everywhere, **parts[heading], **with_tls}
            self.assertGreater(len(parts[heading]), 15)
            for service in self.fleet.services():
                if service.kind != kind:
                    continue
                self._compare(service, rows)

    def test_counts_are_true(self):
        self.begin()
        self._run_jobs()
        coordinator = "closewrite_coordinator_"
        copy = '{pipeline="copy"}'
        for expression, value in (
                ("count(up == 1)", 4),
                (coordinator + 'jobs_made_total' + copy, _JOBS),
                (coordinator + 'leases_total' + copy, _JOBS),
                (coordinator + 'jobs_finished_total{pipeline="copy", outcome="SUCCEEDED"}', _JOBS),
                (coordinator + 'jobs_finished_total{pipeline="copy", outcome="FAILED"}', 0),
                (coordinator + 'jobs_finished_total{pipeline="fail", outcome="FAILED"}', 1),
                (coordinator + 'attempts_total{pipeline="copy", outcome="SUCCEEDED"}', _JOBS),
                (coordinator + 'attempts_total{pipeline="fail", outcome="FAILED"}', 2),
                (coordinator + "attempt_duration_seconds_count" + copy, _JOBS),
                (coordinator + "close_to_start_seconds_count" + copy, _JOBS),
                (coordinator + "close_to_result_seconds_count" + copy, _JOBS),
                (coordinator + 'close_to_result_seconds_bucket{pipeline="copy", le="+Inf"}', _JOBS),
                (coordinator + 'close_to_start_seconds_count{pipeline="fail"}', 1),
                (coordinator + 'jobs{pipeline="fail", state="FAILED"}', 1),
                (coordinator + 'jobs{pipeline="copy", state="AVAILABLE"}', 0),
                (coordinator + 'executors{state="connected"}', 1),
                (coordinator + 'executor_slots{executor="cw-b-1"}', 4),
                (coordinator + 'lock_waiters{lock="tool"}', 0),
                (f"sum({coordinator}watcher_connected)", 2),
                (f'sum({coordinator}events_total{{volume="unenriched"}})', _JOBS + 1),
                (f'sum({coordinator}events_total{{volume="enriched"}})', _JOBS),
                (f"{coordinator}influx_points_written_total", 0),
                ('sum(closewrite_watcher_events_acknowledged_total{volume="unenriched"})',
                 _JOBS + 1),
                ('closewrite_watcher_publish_orders_total{volume="enriched", outcome="PUBLISHED"}',
                 _JOBS),
                ('closewrite_executor_attempts_total{pipeline="copy", outcome="SUCCEEDED"}',
                 _JOBS),
                ('closewrite_executor_command_duration_seconds_count{pipeline="copy"}', _JOBS),
                ("closewrite_executor_staged_files_total", _JOBS),
                ("closewrite_executor_staged_bytes_total", _JOBS),
                ("closewrite_executor_slots", 4),
                ("closewrite_executor_sessions_total", 1),
        ):
            with self.subTest(expression=expression):
                self.await_value(expression, value)
        self.assertGreater(self.value(f"sum(rate({coordinator}commit_duration_seconds_count[1m]))"),
                           0)
        # What was printed was shipped.
        self.await_value("closewrite_executor_log_waiting_bytes", 0)
        self.assertGreater(self.value(coordinator + "log_received_bytes_total"),
                           _JOBS * len("a line\n"))

    def test_a_job_that_waits_and_one_that_holds_it_up(self):
        self.begin()
        for number in range(5):
            self.add_file(f"slow/{number}")
        coordinator = "closewrite_coordinator_"
        self.await_value(coordinator + 'jobs{pipeline="slow", state="AVAILABLE"}', 1)
        self.await_value(coordinator + 'executor_slots_busy{executor="cw-b-1"}', 4)
        self.until(lambda: self.value(coordinator + 'oldest_waiting_seconds{reason="NO_SLOT"}') > 1,
                   "its age")
        self.assertEqual(self.value(coordinator + 'oldest_waiting_seconds{reason="LOCK"}'), 0)
        self.until(lambda: self.value(
            coordinator + 'pipeline_oldest_running_seconds{pipeline="slow"}') > 1, "theirs")
        self.await_value("closewrite_executor_slots_busy", 4)


class AlertTest(PrometheusCase):
    """From a service that dies to a webhook."""

    executors = 2

    def _alerts(self, status):
        """{(alert, executor or host or pipeline)} that the webhook was told."""
        return {(alert["labels"]["alertname"],
                 next((alert["labels"][name] for name in ("executor", "host", "pipeline")
                       if name in alert["labels"]), None))
                for post in self.hook.posts() for alert in post["body"]["alerts"]
                if alert["status"] == status}

    def test_an_executor_that_was_killed_is_told_of_and_one_that_was_drained_is_not(self):
        self.hook.start()
        self.alertmanager.start()
        self.begin()
        self.assertEqual(self.fleet.executors["cw-b-2"].stop(), 0)
        lost = ("ClosewriteExecutorLost", "cw-b-1")
        self.fleet.executors["cw-b-1"].kill()
        self.until(lambda: lost in self._alerts("firing"), "the alert", _SOON_S_MAX)
        self.assertEqual(self.value('closewrite_coordinator_executors{state="lost"}'), 1)
        self.fleet.executors["cw-b-1"].start()
        self.until(lambda: lost in self._alerts("resolved"), "its end", _SOON_S_MAX)
        executors = {who for alert, who in self._alerts("firing")
                     if alert == "ClosewriteExecutorLost"}
        self.assertEqual(executors, {"cw-b-1"})

    def test_failures_and_a_watcher_that_is_away(self):
        self.hook.start()
        self.alertmanager.start()
        self.begin()
        # A counter rises only from the value that was scraped before.
        self.await_value('closewrite_coordinator_jobs_finished_total{pipeline="fail", '
                         'outcome="FAILED"}', 0)
        for number in range(4):
            self.add_file(f"fail/{number}")
        self.until(lambda: ("ClosewriteJobsFail", "fail") in self._alerts("firing"),
                   "an alert about failures", _SOON_S_MAX)
        self.fleet.watchers["unenriched"].kill()
        self.until(lambda: ("ClosewriteWatcherLost", "cw-b") in self._alerts("firing"),
                   "an alert about the watcher", _SOON_S_MAX)


class RestartTest(PrometheusCase):
    """What a restart must not take away, and what a silent executor does to the numbers."""

    def test_the_last_success_outlives_the_coordinator(self):
        self.begin()
        self.add_file("copy/a")
        self.finished_jobs(1)
        name = 'closewrite_coordinator_pipeline_last_success_timestamp_seconds{pipeline="copy"}'
        before = self.numbers()[name]
        self.fleet.coordinator.restart()
        self.fleet.wait_ready()
        after = self.numbers()
        self.assertEqual(after[name], before)
        made = 'closewrite_coordinator_jobs_made_total{pipeline="copy"}'
        self.assertEqual(after[made], 0)

    def test_a_lease_expires_and_its_result_is_fenced_off(self):
        self.begin()
        self.add_file("slow/a")
        running = 'closewrite_coordinator_executor_slots_busy{executor="cw-b-1"}'
        self.until(lambda: self.numbers().get(running) == 1, "a command")
        self.fleet.executors["cw-b-1"].process.freeze()
        expired = "closewrite_coordinator_lease_expiries_total"
        self.until(lambda: self.numbers()[expired] == 1, "the end of its lease")
        numbers = self.numbers()
        self.assertEqual(numbers['closewrite_coordinator_executors_lost_total{cause="EXPIRED"}'], 1)
        self.assertEqual(
            numbers['closewrite_coordinator_attempts_total{pipeline="slow",outcome="LOST"}'], 1)
        self.assertEqual(numbers['closewrite_coordinator_executor_connected{executor="cw-b-1"}'], 0)
        self.fleet.executors["cw-b-1"].process.thaw()
        connected = 'closewrite_coordinator_executors{state="connected"}'
        self.until(lambda: self.numbers()[connected] == 1, "it is back")
        executor = self.fleet.executors["cw-b-1"]
        self.assertEqual(self.numbers(executor)["closewrite_executor_sessions_total"], 2)
        self.assertEqual(self.numbers()['closewrite_coordinator_executors{state="lost"}'], 0)


class RulesTest(unittest.TestCase):
    """deploy/prometheus by Prometheus' own tools."""

    needs_root = False

    def _check(self, *command):
        done = subprocess.run(command, cwd=prometheus.RULES, check=False, capture_output=True)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())

    def test_rules(self):
        self._check("/usr/bin/promtool", "check", "rules", "closewrite.rules.yml")
        self._check("/usr/bin/promtool", "test", "rules", "closewrite.rules.test.yml")
        self._check("/usr/bin/promtool", "check", "config", "prometheus.yml")
        self._check("/usr/bin/amtool", "check-config", "alertmanager.yml")

    def test_rules_name_metrics_of_the_table(self):
        known = {name for rows in table().values() for name in rows}
        rules = case.read(os.path.join(prometheus.RULES, "closewrite.rules.yml")).decode()
        named = set(re.findall(r"closewrite_(?:coordinator|watcher|executor)_[a-z_]+[a-z]", rules))
        self.assertGreater(len(named), 10)
        bases = {re.sub("_bucket$", "", name) for name in named}
        # The beginning of two names.
        self.assertEqual(bases - known, {"closewrite_coordinator_pipeline"})
