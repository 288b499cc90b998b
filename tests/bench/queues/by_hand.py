"""Queues that are driven by clients of ours in C: a table of PostgreSQL, and beanstalkd."""

import os

from bench.queues import client, contender, servers

_DATABASE = "by_hand"
_ROWS_PER_CALL = 1000
_LEASE_ROWS = 100


class RowLock(contender.Contender):
    """One table; a worker locks a row, works, deletes it and commits."""

    name = "PostgreSQL by hand, row lock"
    by_hand = True
    latency = False
    _client = ()

    def data_folder(self):
        return self.bench.postgres().data

    def start(self):
        postgres = self.bench.postgres()
        postgres.start()
        self.servers.append(postgres)
        postgres.fresh(_DATABASE)
        client_path = self.bench.programs.path("postgres_client")
        self._client = [client_path, postgres.conninfo(_DATABASE)]
        with client.Client([*self._client, "setup"]) as setup:
            setup.end()

    def submit(self, shape, jobs, seconds):
        if shape.per_call == 1:
            args = ["insert", shape.in_flight]
        else:
            args = ["batch", min(shape.per_call, _ROWS_PER_CALL)]
        return client.run([*self._client, *args, jobs, seconds], contender.CLIENT_S_MAX)

    def load(self, jobs):
        client.run([*self._client, "batch", _ROWS_PER_CALL, jobs, contender.CLIENT_S_MAX],
                   contender.CLIENT_S_MAX * 2)

    def drain(self, slots, jobs, seconds):
        return client.run([*self._client, "rowlock", slots, jobs, seconds], contender.CLIENT_S_MAX)


class Lease(RowLock):
    """The same table; a worker claims a hundred rows in one commit and deletes them in another."""

    name = f"PostgreSQL by hand, leases of {_LEASE_ROWS}"
    submits = False

    def drain(self, slots, jobs, seconds):
        return client.run([*self._client, "lease", slots, jobs, seconds, _LEASE_ROWS],
                          contender.CLIENT_S_MAX)


class Beanstalkd(contender.Contender):
    """beanstalkd, each operation synced."""

    name = "beanstalkd -f0"
    _client = ()

    def data_folder(self):
        return self.servers[0].folder

    def start(self):
        server = servers.Beanstalkd(os.path.join(self.folder, "server"), self.synced)
        self.servers.append(server)
        server.start()
        self._client = [self.bench.programs.path("beanstalk_client"), server.port]

    def submit(self, shape, jobs, seconds):
        calls = max(1, jobs // shape.per_call)
        return client.run([*self._client, "put", shape.in_flight, shape.per_call, calls, seconds,
                           0], contender.CLIENT_S_MAX)

    def load(self, jobs):
        client.run([*self._client, "put", 2, min(jobs, _ROWS_PER_CALL),
                    max(1, jobs // _ROWS_PER_CALL), contender.CLIENT_S_MAX, 0],
                   contender.CLIENT_S_MAX * 2)

    def _work(self, slots, jobs, seconds):
        return client.started([*self._client, "work", slots, jobs, seconds],
                              contender.CLIENT_S_MAX)

    def drain(self, slots, jobs, seconds):
        with self._work(slots, jobs, seconds) as working:
            return {**working.last(contender.CLIENT_S_MAX), "latency": {}}

    def submit_to_start(self, jobs, interval_us):
        with self._work(1, jobs, contender.CLIENT_S_MAX) as working:
            client.run([*self._client, "put", 1, 1, jobs, contender.CLIENT_S_MAX, interval_us],
                       contender.CLIENT_S_MAX)
            return working.last(contender.CLIENT_S_MAX)


class BeanstalkdUnsynced(Beanstalkd):
    """beanstalkd that never syncs: what a power failure leaves is chance."""

    name = "beanstalkd -F"
    synced = False
