"""A coordinator, and a watcher with one volume, on this machine's loopback."""

import glob
import json
import os
import re

from hosts import fleet, host, process
from storm import queue_limit

VOLUME = "storm"
_START_S_MAX = 60.0
_STOP_S_MAX = 120.0
_PORT = re.compile(rb"\bport=(\d+)")

_PIPELINE = """\
pipelines:
  - name: everything
    on: {{volume: {volume}, match: ["**"], settle: {settle}}}
    run: {{command: ["true"]}}
"""


class Rig:
    """Everything lies in one folder: the volume, `outside` beside it on the same file system, and
    what the services keep. Close it, or use it in a `with`.
    """

    def __init__(self, folder, backend=None):
        self.folder = folder
        self.volume = self._made("volume")
        self.outside = self._made("outside")
        self.state = self._made("watcher", "state")
        self.database = os.path.join(self._made("coordinator"), "closewrite.db")
        self._backend = backend
        self._machine = host.LocalHost("storm", folder)
        self.coordinator = None
        self.watcher = None
        self.address = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._machine.close()

    def _made(self, *names):
        path = os.path.join(self.folder, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def log(self, service):
        """Path of the log of `coordinator` or `watcher`."""
        return os.path.join(self.folder, service, "log")

    def _spawn(self, service, config, env=None):
        path = os.path.join(self.folder, service, f"{service}.yaml")
        fleet.write(path, "\n".join([*config, ""]))
        return self._machine.spawn([fleet.program(service), "--config", path], self.log(service),
                                   env=env)

    def start_coordinator(self):
        """Starts it, and waits until it serves; again on the port that it had."""
        self.coordinator = self._spawn("coordinator", [
            f"listen: {self.address or '127.0.0.1:0'}", f"store: sqlite:{self.database}"])
        port = process.until(lambda: _PORT.search(self.coordinator.read_log())
                             or not self.coordinator.alive(), _START_S_MAX, "a coordinator")
        if not self.coordinator.alive():
            raise RuntimeError(self.coordinator.read_log().decode(errors="replace"))
        self.address = f"127.0.0.1:{int(port.group(1))}"

    def start_watcher(self, queued_events_max=None, env=None):
        """Starts it. Waits only when the kernel's queue has to be made with another limit."""
        backend = f", backend: {self._backend}" if self._backend else ""
        config = ["host: storm", "listen: 127.0.0.1:0", f"coordinator: {self.address}",
                  f"state: {self.state}", "volumes:",
                  f"  {VOLUME}: {{path: {self.volume}{backend}}}"]
        with queue_limit.lowered(queued_events_max):
            self.watcher = self._spawn("watcher", config, {**os.environ, **env} if env else None)
            if queued_events_max is not None:
                self.until_watching()

    def until_watching(self):
        """Waits until the watcher has its kernel queue."""
        process.until(self._has_queue, _START_S_MAX, "the watcher listens; its log is "
                      + self.log("watcher"))

    def _has_queue(self):
        if not self.watcher.alive():
            raise RuntimeError("the watcher has ended; its log is " + self.log("watcher"))
        for link in glob.glob(f"/proc/{self.watcher.pid}/fd/*"):
            try:
                if os.readlink(link) in ("anon_inode:inotify", "anon_inode:[fanotify]"):
                    return True
            except OSError:
                continue  # Closed meanwhile.
        return False

    def cli(self, *args, seconds_max=900.0):
        """Runs `closewrite ARGS`. Returns the CompletedProcess."""
        return self._machine.run([fleet.program("cli"), "--coordinator", self.address, *args],
                                 timeout=seconds_max)

    def rows(self, *args):
        """NDJSON rows of `closewrite ARGS -o json`; empty when it fails."""
        done = self.cli(*args, "-o", "json")
        if done.returncode != 0:
            return []
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def apply_pipeline(self, settle="0s"):
        """A pipeline that takes every file. No executor is there, so its jobs only wait."""
        path = os.path.join(self.folder, "pipelines.yaml")
        fleet.write(path, _PIPELINE.format(volume=VOLUME, settle=settle))
        done = self.cli("pipeline", "apply", "-f", path)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))

    def status(self):
        """The volume as `closewrite watchers` has it; None while it is not connected."""
        for row in self.rows("watchers"):
            if row["connected"]:
                for volume in row["volumes"]:
                    return volume
        return None

    def until_live(self, seconds_max=600.0):
        """Waits until the volume is live and all is acknowledged. Returns its status."""
        def live():
            if not self.watcher.alive():
                raise RuntimeError("the watcher has ended; its log is " + self.log("watcher"))
            status = self.status()
            return (status if status and status["state"] == "live"
                    and status["unacknowledged_events"] == 0 else None)
        return process.until(live, seconds_max, "the volume is live and everything acknowledged")

    def newest_event(self):
        """The coordinator's number of its newest event; 0 when there is none."""
        rows = self.rows("events", "--limit", "1")
        return int(rows[0]["id"]) if rows else 0

    def flush(self, seconds_max=900.0):
        """Waits until everything that has happened in the volume is recorded."""
        said = []

        def flushed():
            done = self.cli("flush", VOLUME, "--timeout", "2m")
            said[:] = [done.stderr.decode(errors="replace")]
            return done.returncode == 0
        try:
            process.until(flushed, seconds_max, "flush")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {said[0]}") from error

    def stop(self):
        """Ends both cleanly."""
        for each, name in ((self.watcher, "watcher"), (self.coordinator, "coordinator")):
            code = each.terminate(_STOP_S_MAX)
            if code != 0:
                raise RuntimeError(f"the {name} ended with {code}; its log is {self.log(name)}")
