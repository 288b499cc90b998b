"""A folder that is shared by a real file server, and what its watcher must make of each upload.

The folder is the volume `unenriched` on cw-b; clients on cw-a write into it through a server. Its
sub-folders have one pipeline each, named for the contract by which a file counts as finished there.
Jobs swap the bytes of each pair, and publish into the volume `results`, on cw-b as well.
"""

import os

from e2e import case

_SETTLE_S_MAX = 120.0
_SHOWN_MAX = 12
_FINAL_STATES = ("succeeded", "failed", "cancelled")

# Sub-folder: what its pipeline says to get that contract.
CONTRACTS = {
    "close": "when: close_write",
    "rename": "when: rename",
    "marker": 'marker: "{name}.done"',
}
# Nothing is cached between the volume and its executor, so there is little to wait for when an
# input is not the announced version: its times were set after the close; the next attempt knows.
_PIPELINE = """\
  - name: {name}
    on: {{volume: unenriched, match: ["{name}/**"], {contract}}}
    run:
      command: [/usr/bin/dd, "if={{input}}", "of={{output}}", conv=swab, bs=1M, status=none]
      visible_within: 1s
    publish: {{volume: results}}
    retry: {{attempts: 3, backoff: 100ms}}
"""


def swapped(content):
    """What dd's conv=swab makes of `content`."""
    result = bytearray(content)
    even = len(result) & ~1
    result[0:even:2], result[1:even:2] = result[1:even:2], result[0:even:2]
    return bytes(result)


class ShareCase(case.HostsCase):
    """A running fleet with the volumes `unenriched` (the share) and `results`, both on cw-b."""

    contracts = CONTRACTS
    # Further keys of the volume, as YAML.
    volume_options = ""

    def setUp(self):
        super().setUp()
        self.share = self.home("unenriched")
        self.results_path = os.path.join(self.hosts.b.folder, "results")
        # Path in bytes: what want() was told of it.
        self._wanted = {}
        os.makedirs(self.results_path)
        for name in self.contracts:
            os.makedirs(os.path.join(self.share, name))
        self._configure_watcher()
        self.fleet.add_executor(self.hosts.b, "cw-b", slots=4,
                                volumes={"results": self.results_path})
        self.fleet.start()
        self.until(self._all_live, "both volumes live")
        self.fleet.apply("pipelines:\n" + "".join(
            _PIPELINE.format(name=name, contract=contract)
            for name, contract in self.contracts.items()))

    def want(self, path, content, versions=1, succeeding=None):
        """Once all is settled, `path` holds `content` and has had exactly one job of it.

        With `versions` above 1 it was written in so many steps that each look finished; those
        before the last may have had jobs too, of which all may have succeeded, or `succeeding` in
        all.
        """
        self._wanted[os.fsencode(path)] = (content, versions, succeeding or versions)

    def want_truncated(self, path, size_below):
        """`path` was left short by a writer that was killed. It looks finished, and gets a job."""
        self.until(lambda: any(job.path == os.fsencode(path) for job in self.fleet.jobs()),
                   f"a job of the truncated {path}", _SETTLE_S_MAX)
        content = case.read(os.path.join(self.share, path))
        self.assertGreater(len(content), 0, path)
        self.assertLess(len(content), size_below, path)
        self.want(path, content)

    def source(self, name, content):
        """A local file for a client to upload. Returns its path."""
        path = os.path.join(self.folder, "source", name)
        case.write(path, content)
        return path

    def content(self, size):
        """Bytes that nobody else has."""
        return self.random.randbytes(size)

    def check(self):
        """Waits until every wanted file has its job, and checks that there is nothing else."""
        self._until_settled()
        # What the watcher has yet to tell might be a job too many.
        self.fleet.must("flush", "unenriched")
        jobs = self._until_settled()
        by_path = {}
        for job in jobs:
            by_path.setdefault(job.path, []).append(job)
        self.assertEqual(sorted(set(by_path) - set(self._wanted)), [], "jobs of other names")
        for path, wanted in self._wanted.items():
            self._check_file(path, wanted, by_path[path])
        self.assertEqual(case.tree(self.results_path), sorted(self._wanted))

    def _check_file(self, path, wanted, jobs):
        content, versions, succeeding = wanted
        told = [(job.state, job.row["input"], job.message) for job in jobs]
        self.assertLessEqual(len(jobs), versions, (path, told))
        succeeded = [job for job in jobs if job.state == "succeeded"]
        self.assertLessEqual(len(succeeded), succeeding, (path, told))
        status = os.stat(os.path.join(os.fsencode(self.share), path))
        self.assertEqual(status.st_size, len(content), path)
        last = [job for job in jobs if _size(job) == len(content)]
        self.assertEqual([job.state for job in last], ["succeeded"], (path, told))
        self.assertNotIn("failed", [job.state for job in jobs], (path, told))
        result = case.read(os.path.join(os.fsencode(self.results_path), path))
        self.assertTrue(result == swapped(content), f"result of {path}: {len(result)} bytes")

    def _until_settled(self):
        """Waits until every wanted file has its job and no job is unfinished. Returns the jobs."""
        try:
            return self.until(self._settled, "a job for each file", _SETTLE_S_MAX)
        except TimeoutError as error:
            jobs = self.fleet.jobs()
            missing = sorted({(path, len(wanted[0])) for path, wanted in self._wanted.items()}
                             - {(job.path, _size(job)) for job in jobs if job.state == "succeeded"})
            unsettled = [(job.path, _size(job), job.state, job.message) for job in jobs
                         if job.state != "succeeded"]
            raise AssertionError(f"{len(missing)} files without a job that succeeded, "
                                 f"{missing[:_SHOWN_MAX]}; other jobs: {unsettled[:_SHOWN_MAX]}"
                                 ) from error

    def _settled(self):
        # The results are cheap to look at; the list of all jobs is not.
        if not set(self._wanted) <= set(case.tree(self.results_path)):
            return None
        jobs = self.fleet.jobs()
        done = {(job.path, _size(job)) for job in jobs if job.state in _FINAL_STATES}
        missing = [path for path, (content, *_) in self._wanted.items()
                   if (path, len(content)) not in done]
        return jobs if not missing and all(job.state in _FINAL_STATES for job in jobs) else None

    def _configure_watcher(self):
        self.fleet.watchers.pop("enriched")
        config = self.fleet.watchers["unenriched"].config
        with open(config, encoding="utf-8") as file:
            text = file.read()
        plain = f"unenriched: {{path: {self.share}"
        assert plain in text
        options = f", {self.volume_options}" if self.volume_options else ""
        with open(config, "w", encoding="utf-8") as file:
            file.write(text.replace(plain, plain + options)
                       + f"  results: {{path: {self.results_path}}}\n")

    def _all_live(self):
        states = {volume["volume"]: volume["state"] for row in self.fleet.rows("watchers")
                  for volume in row["volumes"]}
        return states == {"unenriched": "live", "results": "live"}


def _size(job):
    """JSON of protobuf writes 64-bit numbers as text, and leaves a zero out."""
    return int(job.row["input"].get("size", 0))
