"""Closewrite on this machine's loopback: coordinator, watcher with two volumes, executor."""

import contextlib
import json
import os
import re
import sqlite3
import time

from hosts import fleet, host, process

VOLUME = "bench"
RESULTS = "results"
_START_S_MAX = 60.0
_STOP_S_MAX = 120.0
_LIVE_S_MAX = 1800.0
_PORT = re.compile(rb"\bport=(\d+)")
_RECORDED_S_MAX = 300.0
_POLL_S = 0.005
_SLOTS = 4


class Rig:
    """Services whose state lies in `folder`, a folder of this run alone. Use it in a `with`."""

    def __init__(self, folder, root, results=None):
        self.folder = folder
        self.root = root
        self.results = results
        self.address = None
        self.coordinator = None
        self.watcher = None
        self.executor = None
        self._machine = host.LocalHost("bench", folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._machine.close()

    def _spawn(self, service, lines):
        folder = os.path.join(self.folder, service)
        os.makedirs(os.path.join(folder, "state"), exist_ok=True)
        config = os.path.join(folder, f"{service}.yaml")
        fleet.write(config, "\n".join([*lines, ""]))
        return self._machine.spawn([fleet.program(service), "--config", config],
                                   os.path.join(folder, "log"))

    def start_coordinator(self):
        """Starts it, and waits until it serves; again on the port that it had."""
        store = os.path.join(self.folder, "coordinator", "closewrite.db")
        self.coordinator = self._spawn("coordinator", [
            f"listen: {self.address or '127.0.0.1:0'}", f"store: sqlite:{store}"])
        port = process.until(
            lambda: _PORT.search(self.coordinator.read_log()) or not self.coordinator.alive(),
            _START_S_MAX, "the coordinator serves")
        if not self.coordinator.alive():
            raise RuntimeError(self.coordinator.read_log().decode(errors="replace"))
        self.address = f"127.0.0.1:{int(port.group(1))}"

    def start_watcher(self):
        """Starts it, and does not wait. Without a coordinator so far, it is given none that is."""
        state = os.path.join(self.folder, "watcher", "state")
        volumes = [f"  {VOLUME}: {{path: {self.root}}}"]
        if self.results:
            volumes.append(f"  {RESULTS}: {{path: {self.results}}}")
        self.watcher = self._spawn("watcher", [
            "host: bench", "listen: 127.0.0.1:0", f"coordinator: {self.address}",
            f"state: {state}", "volumes:", *volumes])

    def start_executor(self):
        """Starts it, and waits until it attends."""
        state = os.path.join(self.folder, "executor", "state")
        self.executor = self._spawn("executor", [
            "host: bench", "listen: 127.0.0.1:0", f"coordinator: {self.address}",
            f"state: {state}", f"slots: {_SLOTS}", "volumes:",
            f"  {VOLUME}: {{path: {self.root}}}", f"  {RESULTS}: {{path: {self.results}}}"])
        process.until(lambda: [row for row in self.rows("executors") if row["connected"]],
                      _START_S_MAX, f"the executor attends; see {self.executor.log}")

    def cli(self, *args):
        """The command line `closewrite ARGS`, as a list."""
        return [fleet.program("cli"), "--coordinator", self.address, *args]

    def rows(self, *args):
        """NDJSON rows of `closewrite ARGS -o json`; empty when it fails."""
        done = self._machine.run(self.cli(*args, "-o", "json"), timeout=_LIVE_S_MAX)
        if done.returncode != 0:
            return []
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def apply(self, text):
        """Applies pipelines."""
        path = os.path.join(self.folder, "pipelines.yaml")
        fleet.write(path, text)
        self._machine.check(self.cli("pipeline", "apply", "-f", path))

    def until_live(self, acknowledged=True):
        """Waits until all volumes are live, and what the watcher had to say is acknowledged."""
        def live():
            if not self.watcher.alive():
                raise RuntimeError(f"the watcher has ended; see {self.watcher.log}")
            volumes = [volume for row in self.rows("watchers") if row["connected"]
                       for volume in row["volumes"]]
            return len(volumes) == (2 if self.results else 1) and all(
                volume["state"] == "live"
                and (not acknowledged or volume["unacknowledged_events"] == 0)
                for volume in volumes)
        process.until(live, _LIVE_S_MAX, f"the volumes are live; see {self.watcher.log}")

    def until_recorded(self, events):
        """Waits until so many events are durable. Returns when that was seen, in nanoseconds.

        Reads the store's file, which costs the coordinator nothing; what is there is synced.
        """
        deadline = time.monotonic() + _RECORDED_S_MAX
        with contextlib.closing(self._store()) as store:
            while True:
                (newest,) = store.execute("SELECT max(id) FROM events").fetchone()
                if (newest or 0) >= events:
                    return time.time_ns()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{newest} of {events} events are recorded")
                time.sleep(_POLL_S)

    def newest_event(self):
        """The number of events so far."""
        with contextlib.closing(self._store()) as store:
            return store.execute("SELECT max(id) FROM events").fetchone()[0] or 0

    def _store(self):
        path = os.path.join(self.folder, "coordinator", "closewrite.db")
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_START_S_MAX)

    def events(self):
        """{file's name: (observed, recorded)} in nanoseconds, of the volume's files.

        From the coordinator's store, for `closewrite events` prints whole milliseconds.
        """
        found = {}
        with contextlib.closing(self._store()) as store:
            for path, observed, recorded in store.execute(
                    "SELECT path, observed_at, received_at FROM events"
                    " JOIN files ON files.id = file_id WHERE volume = ?", (VOLUME.encode(),)):
                found.setdefault(path.rpartition(b"/")[2], (observed, recorded))
        return found

    def paths(self):
        """Paths, as bytes, of all events of the volume."""
        with contextlib.closing(self._store()) as store:
            for (path,) in store.execute(
                    "SELECT path FROM events JOIN files ON files.id = file_id WHERE volume = ?",
                    (VOLUME.encode(),)):
                yield path
