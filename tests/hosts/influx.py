"""A real InfluxDB 1 on a host."""

import json
import os
import urllib.parse

from hosts import process

_PROGRAM = "/usr/bin/influxd"
_PORT = 8086
_RPC_PORT = 8088
_READY_S_MAX = 60.0
CONFIG = """\
reporting-disabled = true
bind-address = "{address}:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[ifql]
  enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "{address}:{port}"
  max-body-size = {body}
"""
# On the host itself, whose network is its own.
_REQUEST = """\
import sys, urllib.error, urllib.request
try:
    data = sys.argv[2].encode() if len(sys.argv) > 2 else None
    print(urllib.request.urlopen(sys.argv[1], data).read().decode())
except urllib.error.URLError as error:
    sys.exit(str(error))
"""


class Influx:
    """A server on host `on`, with everything that it keeps in one folder. start() it first."""

    def __init__(self, on, body_bytes_max=25_000_000):
        self._host = on
        folder = os.path.join(on.folder, "influx")
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self.url = f"http://{on.address}:{_PORT}"
        self._config = os.path.join(folder, "influx.conf")
        self.process = None
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(address=on.address, port=_PORT, rpc=_RPC_PORT,
                                      folder=folder, body=body_bytes_max))

    def start(self):
        """Starts it and waits until it answers."""
        self.process = self._host.spawn([_PROGRAM, "-config", self._config], self.log)
        process.until(self._answers, _READY_S_MAX, f"InfluxDB; its log is {self.log}")

    def kill(self):
        """SIGKILL."""
        self.process.kill()

    def _answers(self):
        if not self.process.alive():
            raise RuntimeError("InfluxDB has ended: "
                               + self.process.read_log()[-2000:].decode(errors="replace"))
        return self._run(f"{self.url}/ping").returncode == 0

    def _run(self, *args):
        return self._host.run(["/usr/bin/python3", "-c", _REQUEST, *args])

    def query(self, text, database=""):
        """The rows that a statement gives, as dicts with its columns and the tags that it groups
        by; RuntimeError."""
        done = self._run(f"{self.url}/query", urllib.parse.urlencode(
            {"q": text, "db": database, "epoch": "ms"}))
        if done.returncode != 0:
            raise RuntimeError(f"{text}: {done.stderr.decode(errors='replace')}")
        rows = []
        for result in json.loads(done.stdout)["results"]:
            if "error" in result:
                raise RuntimeError(f"{text}: {result['error']}")
            for series in result.get("series", []):
                rows += [{**series.get("tags", {}), **dict(zip(series["columns"], row))}
                         for row in series["values"]]
        return rows

    def write(self, database, lines):
        """Writes points in the line protocol, times in milliseconds; RuntimeError."""
        done = self._run(f"{self.url}/write?db={database}&precision=ms", lines)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))
