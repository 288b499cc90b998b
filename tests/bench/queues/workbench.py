"""What all sections of the benchmark share: programs, folders, contenders, results."""

import os
import shutil
import sys

from bench.queues import by_hand, client, from_npm, meter, ours, results, servers

OURS = (ours.Closewrite, ours.ClosewritePostgres, ours.TwoCoordinators)
PEERS = (by_hand.RowLock, by_hand.Lease, by_hand.Beanstalkd, by_hand.BeanstalkdUnsynced,
         from_npm.BullMq, from_npm.Graphile, from_npm.GraphilePrefetch, from_npm.PgBoss,
         from_npm.PgBossBatch)
_SHARED_BUFFERS = "1GB"
_SHARED_BUFFERS_QUICK = "64MB"


def progress(text):
    """What is being done; not a part of the result."""
    print(f"-- {text}", file=sys.stderr, flush=True)


class Workbench:
    """Use it in a `with`: at its end all that it started has ended."""

    def __init__(self, folder, programs, options):
        self.folder = folder
        self.programs = programs
        self.options = options
        self.results = results.Results()
        self.failed = []
        self.facts = []
        self._postgres = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.forget_postgres()

    @property
    def quick(self):
        """Small sizes: it shows that the benchmark works, and no speed."""
        return self.options.quick

    def postgres(self):
        """The PostgreSQL that everybody takes turns with."""
        if self._postgres is None:
            self._postgres = servers.Postgres(
                os.path.join(self.folder, "pg"),
                _SHARED_BUFFERS_QUICK if self.quick else _SHARED_BUFFERS)
        return self._postgres

    def forget_postgres(self):
        """The next one begins with an empty disk."""
        if self._postgres is not None:
            self._postgres.end()
            shutil.rmtree(self._postgres.folder, ignore_errors=True)
            self._postgres = None

    def kinds(self):
        """The contenders that were asked for."""
        found = []
        if "ours" in self.options.sides:
            found += [kind for kind in OURS if kind is ours.Closewrite
                      or self.options.store in ("postgresql", "both")]
            if self.options.store == "postgresql":
                found.remove(ours.Closewrite)
        if "peers" in self.options.sides:
            found += PEERS
        wanted = self.options.contenders
        return [kind for kind in found
                if not wanted or any(name in kind.name for name in wanted)]

    def each(self, section, number, kinds, measure):
        """Calls `measure(contender)` for each, alone and empty, in an order that rotates."""
        kinds = list(kinds)
        turn = number % len(kinds) if kinds else 0
        for kind in kinds[turn:] + kinds[:turn]:
            if self.results.missing(section, kind.name) is None:
                progress(f"run {number + 1}, {section}: {kind.name}")
                self.guarded(section, kind, lambda contender: measure(contender, self.results))

    def guarded(self, section, kind, measure):
        """One contender's turn. What it can't is noted, and the others go on."""
        os.sync()
        meter.await_quiet(self.options.patience)
        try:
            with kind(self, os.path.join(self.folder, "contender")) as contender:
                measure(contender)
        except servers.Unsupported as error:
            self.results.miss(section, kind.name, str(error))
        except (client.ClientError, TimeoutError, RuntimeError) as error:
            self.fail(section, kind, str(error))

    def fail(self, section, kind, why):
        """Something went wrong that must not; of ours it makes the exit code 1."""
        self.results.miss(section, kind.name, f"failed: {why}")
        progress(f"{section}: {kind.name} failed: {why}")
        if kind.ours:
            self.failed.append(f"{section}: {kind.name}: {why}")
