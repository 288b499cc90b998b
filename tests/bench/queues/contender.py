"""What a queue has to be able to do to be measured."""

import collections
import os
import shutil

# How jobs are submitted: by so many streams, each with so many calls unanswered, of so many jobs.
Shape = collections.namedtuple("Shape", "label streams in_flight per_call")

CLIENT_S_MAX = 300.0


class Contender:
    """One queue with its server, empty at the beginning. Use it in a `with`."""

    name = ""
    synced = True    # each acknowledged operation is on the disk
    ours = False
    by_hand = False  # no product
    slots = (4, 16)
    streams_max = 1  # only ours is measured with several
    submits = True   # False: as another contender does
    latency = True
    jobs_max = None  # what is slower than others gets less to do

    def __init__(self, bench, folder):
        self.bench = bench
        self.folder = folder
        self.servers = []

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        """Process ids of its servers."""
        return [server.pid for server in self.servers]

    def data_folder(self):
        """Where its jobs lie on the disk."""
        raise NotImplementedError

    def start(self):
        """Starts its servers."""
        raise NotImplementedError

    def submit(self, shape, jobs, seconds):
        """Submits at most so many jobs for so long. Returns {jobs, seconds, latency of calls}."""
        raise NotImplementedError

    def load(self, jobs):
        """Puts so many jobs into it, as fast as it can."""
        raise NotImplementedError

    def drain(self, slots, jobs, seconds):
        """Does at most so many jobs for so long; nothing is left half done. Returns as submit()."""
        raise NotImplementedError

    def submit_to_start(self, jobs, interval_us):
        """A worker in another process waits for each job. Returns {jobs, seconds, latency}.

        Only of those that have `latency`.
        """
        raise RuntimeError(f"{self.name} has no latency")
