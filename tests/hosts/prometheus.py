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
