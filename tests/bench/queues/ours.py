"""Closewrite: a coordinator, and clients that are a watcher and an executor in one."""

import itertools
import os

from bench.queues import client, contender, servers
from hosts import fleet

_VOLUMES = 16
_LOAD_BATCH = 512
_LOAD_IN_FLIGHT = 4
_numbers = itertools.count(1)


class Closewrite(contender.Contender):
    """With the SQLite store."""

    name = "closewrite, SQLite"
    ours = True
    slots = (4, 16, 256)
    streams_max = _VOLUMES
    session_ttl = None
    coordinators = 1
    settings = ()  # further lines of the coordinator's configuration

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self._volumes = 0
        self._executors = 0

    def store(self):
        """What the coordinator's configuration says."""
        os.makedirs(self.data_folder(), exist_ok=True)
        return f"sqlite:{self.data_folder()}/closewrite.db"

    def data_folder(self):
        return os.path.join(self.folder, "store")

    def start(self):
        where = self.store()
        for number in range(self.coordinators):
            coordinator = servers.Coordinator(
                os.path.join(self.folder, f"coordinator-{number}"), where,
                session_ttl=self.session_ttl, settings=self.settings)
            self.servers.append(coordinator)
            coordinator.start()
        self.prepare(1)

    @property
    def coordinator(self):
        """The first one."""
        return next(each for each in self.servers if isinstance(each, servers.Coordinator))

    def command(self, *args, at=None):
        """Arguments that run our client against a coordinator."""
        at = at or self.coordinator
        return [self.bench.programs.path("queue_client"), "--coordinator", at.address,
                "--volumes", str(self._volumes), *[str(arg) for arg in args]]

    def prepare(self, volumes):
        """Makes the pipelines of so many volumes, if there are fewer."""
        if volumes > self._volumes:
            self._volumes = volumes
            client.run(self.command("prepare"), contender.CLIENT_S_MAX)

    def submitting(self, *args):
        """Arguments of a client that submits."""
        ordered = ["--ordered"] if self.bench.options.ordered_names else []
        return self.command("submit", *ordered, *args)

    def submit(self, shape, jobs, seconds):
        self.prepare(shape.streams)
        calls = max(1, jobs // shape.per_call // shape.streams)
        return client.run(self.submitting(
            "--streams", shape.streams, "--in-flight", shape.in_flight, "--per-call",
            shape.per_call, "--calls", calls, "--warm-up", min(calls, shape.in_flight),
            "--seconds", seconds), contender.CLIENT_S_MAX)

    def load(self, jobs):
        """Returns how many there were, which are some more."""
        loaded = client.run(self.submitting(
            "--in-flight", _LOAD_IN_FLIGHT, "--per-call", min(jobs, _LOAD_BATCH),
            "--calls", max(1, -(-jobs // _LOAD_BATCH))), contender.CLIENT_S_MAX * 10)
        return loaded["jobs"]

    def attend(self, slots, *args, at=None):
        """Starts an executor. Returns its Client, once it has its session."""
        self._executors += 1
        return client.started(self.command(
            "attend", "--name", f"bench-executor-{self._executors}", "--slots", slots, *args,
            at=at), contender.CLIENT_S_MAX)

    def drain(self, slots, jobs, seconds):
        with self.attend(slots, "--jobs", jobs, "--seconds", seconds) as attending:
            found = attending.last(contender.CLIENT_S_MAX)
        if found["rerun"]:
            raise client.ClientError(f"{found['rerun']} jobs were given again after they had ended")
        return found

    def submit_to_start(self, jobs, interval_us, slots=slots[0]):
        longest = jobs * interval_us / 1e6 + contender.CLIENT_S_MAX / 2
        with self.attend(slots, "--jobs", jobs, "--seconds", longest) as attending:
            submitted = client.run(
                self.submitting("--calls", jobs, "--interval-us", interval_us),
                contender.CLIENT_S_MAX)
            found = attending.last(contender.CLIENT_S_MAX)
        found["latency"]["ack_max_us"] = submitted["latency"]["max_us"]
        return found


class Scraped(Closewrite):
    """A Prometheus scrapes it each second."""

    name = "closewrite, SQLite, metrics"

    def start(self):
        address = f"127.0.0.1:{fleet.free_port()}"
        self.settings = (f"metrics: {address}", *self.settings)
        super().start()
        prometheus = servers.Prometheus(os.path.join(self.folder, "prometheus"), address)
        self.servers.append(prometheus)
        prometheus.start()

    def pids(self):
        return [self.coordinator.pid]

    def beside(self):
        """Process ids of servers that are here only because there is one machine."""
        return [each.pid for each in self.servers if each is not self.coordinator]


class Watched(Scraped):
    """Beside it an InfluxDB gets a point for each attempt's start and end."""

    name = "closewrite, SQLite, metrics and InfluxDB"

    def start(self):
        influxd = servers.Influxd(os.path.join(self.folder, "influxd"))
        self.servers.append(influxd)
        influxd.start("meta")
        self.settings = (f'influx: {{url: "{influxd.url}", database: meta}}',)
        super().start()


class WatchedElsewhere(Scraped):
    """The same, with an InfluxDB that takes no processor from the coordinator."""

    name = "closewrite, SQLite, metrics and points"

    def start(self):
        sink = servers.PointSink(os.path.join(self.folder, "point-sink"))
        self.servers.append(sink)
        sink.start()
        self.settings = (f'influx: {{url: "{sink.url}", database: meta}}',)
        super().start()


class ClosewritePostgres(Closewrite):
    """With the PostgreSQL store."""

    name = "closewrite, PostgreSQL"

    def store(self):
        database = f"closewrite_{next(_numbers)}"
        postgres = self.bench.postgres()
        postgres.start()
        self.servers.append(postgres)
        postgres.fresh(database)
        return postgres.url(database)

    def data_folder(self):
        return self.bench.postgres().data


class TwoCoordinators(ClosewritePostgres):
    """Two coordinators on one database, each with an executor that has half of the work."""

    name = "closewrite, PostgreSQL, 2 coordinators"
    streams_max = 1
    coordinators = 2
    submits = False
    latency = False

    def drain(self, slots, jobs, seconds):
        where = [each for each in self.servers if isinstance(each, servers.Coordinator)]
        attending = []
        try:
            for each in where:
                attending.append(self.attend(slots, "--jobs", jobs // len(where), "--seconds",
                                             seconds, at=each))
            found = [each.last(contender.CLIENT_S_MAX) for each in attending]
        finally:
            for each in attending:
                each.close()
        began = min(each["first_at"] for each in found)
        return {"jobs": sum(each["jobs"] for each in found), "latency": {},
                "seconds": (max(each["last_at"] for each in found) - began) / 1e9}
