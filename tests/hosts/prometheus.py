"""A real Prometheus on a host, and a real Alertmanager."""

import json
import os
import urllib.parse

from hosts import process

_PROMETHEUS = "/usr/bin/prometheus"
_ALERTMANAGER = "/usr/bin/prometheus-alertmanager"
_PORT = 9090
_ALERTMANAGER_PORT = 9093
_READY_S_MAX = 60.0
RULES = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "deploy",
                                      "prometheus"))
_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}/closewrite.rules.yml]
scrape_configs:
  - job_name: closewrite
    static_configs: [{{targets: {targets}}}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: {alertmanagers}}}]
"""
_ALERTMANAGER_CONFIG = """\
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""
# On the host itself, whose network is its own. The text of a refusal says why.
_FETCH = """\
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
except urllib.error.URLError as error:
    sys.exit(str(error))
"""


def _fetch(on, url):
    return on.run(["/usr/bin/python3", "-c", _FETCH, url])


class Prometheus:
    """A server on host `on` that scrapes `targets`, addresses with ports, each second, and knows
    the rules of deploy/prometheus. start() it first."""

    def __init__(self, on, targets, alertmanager=None):
        self._host = on
        folder = os.path.join(on.folder, "prometheus")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self.url = f"http://{on.address}:{_PORT}"
        self.process = None
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(
                rules=RULES, targets=json.dumps(list(targets)),
                alertmanagers=json.dumps([alertmanager.address] if alertmanager else [])))
        self._args = [_PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                      f"--web.listen-address={on.address}:{_PORT}", "--log.level=warn"]

    def start(self):
        """Starts it and waits until it answers."""
        self.process = self._host.spawn(self._args, self.log)
        process.until(self._answers, _READY_S_MAX, f"Prometheus; its log is {self.log}")

    def _answers(self):
        if not self.process.alive():
            raise RuntimeError("Prometheus has ended: "
                               + self.process.read_log()[-2000:].decode(errors="replace"))
        return _fetch(self._host, f"{self.url}/-/ready").returncode == 0

    def _get(self, path, parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        done = _fetch(self._host, url)
        if done.returncode != 0:
            raise RuntimeError(f"{parameters}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query; RuntimeError."""
        return [(labels, values[0]) for labels, values in self.values(expression)]

    def targets_up(self):
        """How many targets have answered their last scrape."""
        return sum(target["health"] == "up" for target in self._get("targets", {})["activeTargets"])

    def values(self, expression, start=None, end=None, step=None):
        """[(labels, [values])] of an expression: now, or from `start` to `end`, times in seconds;
        RuntimeError."""
        if start is None:
            result = self._get("query", {"query": expression})["result"]
            return [(series["metric"], [float(series["value"][1])]) for series in result]
        result = self._get("query_range", {"query": expression, "start": start, "end": end,
                                           "step": step})["result"]
        return [(series["metric"], [float(value) for _, value in series["values"]])
                for series in result]

    def label_values(self, label, metric):
        """Values of a label of a metric."""
        return self._get(f"label/{label}/values", {"match[]": metric})


class Alertmanager:
    """One on host `on` that tells everything to the webhook `url`. start() it first."""

    def __init__(self, on, url):
        self._host = on
        folder = os.path.join(on.folder, "alertmanager")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self.address = f"{on.address}:{_ALERTMANAGER_PORT}"
        self.process = None
        config = os.path.join(folder, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_ALERTMANAGER_CONFIG.format(url=url))
        # It is alone, so it needs no cluster.
        self._args = [_ALERTMANAGER, f"--config.file={config}", f"--storage.path={folder}/data",
                      f"--web.listen-address={self.address}", "--cluster.listen-address=",
                      "--log.level=warn"]

    def start(self):
        """Starts it and waits until it answers."""
        self.process = self._host.spawn(self._args, self.log)
        process.until(lambda: _fetch(self._host, f"http://{self.address}/-/ready").returncode == 0,
                      _READY_S_MAX, f"the Alertmanager; its log is {self.log}")
