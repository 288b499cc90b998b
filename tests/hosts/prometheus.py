<<<<<<< HEAD
"""A real Prometheus on a host, and a real Alertmanager."""
=======
"""A real Prometheus on a host."""
>>>>>>> report

import json
import os
import urllib.parse

from hosts import process

<<<<<<< HEAD
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
    static_configs: [{{targets: [{targets}]}}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: [{alertmanager}]}}]
"""
_ALERTMANAGER_CONFIG = """\
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""
# On the host itself, whose network is its own.
_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"


def _fetch(on, url):
    return on.run(["/usr/bin/python3", "-c", _FETCH, url])


class Prometheus:
    """A server on host `on` that scrapes `targets` each second and knows the rules of
    deploy/prometheus. start() it first."""

    def __init__(self, on, targets, alertmanager=None):
        self._host = on
        folder = os.path.join(on.folder, "prometheus")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self._address = f"{on.address}:{_PORT}"
        self._folder = folder
        self.process = None
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(
                rules=RULES, targets=", ".join(f"'{each}'" for each in targets),
                alertmanager=f"'{alertmanager.address}'" if alertmanager else ""))
        self._args = [_PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                      f"--web.listen-address={self._address}", "--log.level=warn"]

    def start(self):
        """Starts it and waits until it answers."""
        self.process = self._host.spawn(self._args, self.log)
        process.until(lambda: _fetch(self._host, f"http://{self._address}/-/ready").returncode == 0,
                      _READY_S_MAX, f"Prometheus; its log is {self.log}")

    def query(self, expression):
        """[(labels, value)] of an instant query; RuntimeError."""
        done = _fetch(self._host, f"http://{self._address}/api/v1/query?"
                      + urllib.parse.urlencode({"query": expression}))
        if done.returncode != 0:
            raise RuntimeError(f"{expression}: {done.stderr.decode(errors='replace')}")
        return [(row["metric"], float(row["value"][1]))
                for row in json.loads(done.stdout)["data"]["result"]]


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
=======
_PROGRAM = "/usr/bin/prometheus"
_PORT = 9090
_READY_S_MAX = 60.0
_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: closewrite
    static_configs:
      - targets: {targets}
"""
# On the host itself, whose network is its own. The text of a refusal says why.
_REQUEST = """\
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
except urllib.error.URLError as error:
    sys.exit(str(error))
"""


class Prometheus:
    """A server on host `on` that scrapes `targets`, addresses with ports, each second. start() it
    first."""

    def __init__(self, on, targets):
        self._host = on
        self._folder = os.path.join(on.folder, "prometheus")
        os.makedirs(self._folder)
        self.log = os.path.join(self._folder, "log")
        self.url = f"http://{on.address}:{_PORT}"
        self._config = os.path.join(self._folder, "prometheus.yml")
        self.process = None
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(targets=json.dumps(targets)))

    def start(self):
        """Starts it and waits until it answers."""
        self.process = self._host.spawn(
            [_PROGRAM, f"--config.file={self._config}",
             f"--storage.tsdb.path={self._folder}/data",
             f"--web.listen-address={self._host.address}:{_PORT}"], self.log)
        process.until(self._answers, _READY_S_MAX, f"Prometheus; its log is {self.log}")

    def _answers(self):
        if not self.process.alive():
            raise RuntimeError("Prometheus has ended: "
                               + self.process.read_log()[-2000:].decode(errors="replace"))
        return self._run(f"{self.url}/-/ready").returncode == 0

    def _run(self, url):
        return self._host.run(["/usr/bin/python3", "-c", _REQUEST, url])

    def _get(self, path, parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        done = self._run(url)
        if done.returncode != 0:
            raise RuntimeError(f"{parameters}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)["data"]

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
>>>>>>> report
