"""Queues from npm, driven by their own libraries."""

import functools
import json
import os

from bench.queues import client, contender, servers
from style import npm

_HERE = os.path.dirname(os.path.realpath(__file__))
_DATABASE = "from_npm"
_BULK = 1000


@functools.lru_cache(maxsize=None)
def modules():
    """Folder `node_modules` with what package.json pins; filled once, outside the repository."""
    try:
        return npm.install(_HERE)
    except RuntimeError as error:
        raise servers.Unsupported(str(error)) from error


class _Peer(contender.Contender):
    kind = ""
    extra = {}

    def __init__(self, bench, folder):
        super().__init__(bench, folder)
        self._server = {}
        self._environment = {**os.environ, "NODE_PATH": modules()}

    def data_folder(self):
        return self.bench.postgres().data

    def start(self):
        postgres = self.bench.postgres()
        postgres.start()
        self.servers.append(postgres)
        postgres.fresh(_DATABASE)
        self._begin({"host": postgres.socket, "port": postgres.port, "user": "postgres",
                     "database": _DATABASE, **self.extra})

    def _begin(self, server):
        self._server = server
        with client.Client(self._command("prepare"), self._environment) as preparing:
            preparing.end()

    def _command(self, command, **options):
        return ["node", os.path.join(_HERE, "peer.js"), self.kind, command,
                json.dumps(self._server), json.dumps(options)]

    def _submit(self, **options):
        return client.run(self._command("submit", **{"intervalUs": 0, **options}),
                          contender.CLIENT_S_MAX * 2, self._environment)

    def submit(self, shape, jobs, seconds):
        return self._submit(inFlight=shape.in_flight, perCall=shape.per_call,
                            calls=max(1, jobs // shape.per_call), seconds=seconds)

    def load(self, jobs):
        bulk = min(jobs, _BULK)
        self._submit(inFlight=1, perCall=bulk, calls=-(-jobs // bulk),
                     seconds=contender.CLIENT_S_MAX)

    def _work(self, slots, jobs, seconds):
        return client.started(self._command("work", slots=slots, jobs=jobs, seconds=seconds),
                              contender.CLIENT_S_MAX, self._environment)

    def drain(self, slots, jobs, seconds):
        with self._work(slots, jobs, seconds) as working:
            return {**working.last(contender.CLIENT_S_MAX), "latency": {}}

    def submit_to_start(self, jobs, interval_us):
        with self._work(1, jobs, contender.CLIENT_S_MAX) as working:
            self._submit(inFlight=1, perCall=1, calls=jobs, seconds=contender.CLIENT_S_MAX,
                         intervalUs=interval_us)
            return working.last(contender.CLIENT_S_MAX)


class Graphile(_Peer):
    """graphile-worker as it is."""

    name = "graphile-worker"
    kind = "graphile"
    extra = {"prefetch": 0}


class GraphilePrefetch(Graphile):
    """It takes 500 jobs at once; a crash strands them for hours."""

    name = "graphile-worker, localQueue 500"
    submits = False
    latency = False
    extra = {"prefetch": 500}


class PgBoss(_Peer):
    """pg-boss, one job a fetch. It polls, so that its latency is that of its clock."""

    name = "pg-boss"
    kind = "pgboss"
    extra = {"batch": 1}
    latency = False
    jobs_max = 5000


class PgBossBatch(PgBoss):
    """A hundred jobs a fetch."""

    name = "pg-boss, batches of 100"
    submits = False
    extra = {"batch": 100}
    jobs_max = 20_000


class BullMq(_Peer):
    """BullMQ on Redis with appendfsync always."""

    name = "BullMQ, Redis always"
    kind = "bullmq"

    def data_folder(self):
        return self.servers[0].folder

    def start(self):
        server = servers.Redis(os.path.join(self.folder, "server"))
        self.servers.append(server)
        server.start()
        self._begin({"port": server.port})
