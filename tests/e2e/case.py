"""What end-to-end tests have in common: two hosts, the services on them, and their logs."""

import glob
import os
import random
import unittest

from hosts import fleet, pair, process, run_folder
from style import npm

_LOG_LINES_MAX = 25
# On the host itself, whose network is its own.
_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
SCRIPTS = os.path.dirname(os.path.realpath(__file__))

_options = {"local": False, "tls": False, "seed": 1, "keep": False, "files": 100}


def configure(**options):
    """Set by tests/e2e/run: local, tls, seed, keep, files."""
    _options.update(options)


def seed():
    """The seed of this run."""
    return _options["seed"]


def tls():
    """Whether everybody has a certificate in this run."""
    return _options["tls"]


class HostsCase(unittest.TestCase):
    """A test with two hosts and a fleet that is not started yet.

    Any class of tests that makes no sense in a run with certificates, or would be the same, says
    why in `without_tls`; such a run tells it.
    """

    needs_root = True
    two_hosts = True  # where there is root; otherwise both are this machine
    session_ttl = "3s"
    store = "sqlite"
    coordinators = 1
    coordinator_settings = ()
    metrics = False  # of all services are served, see `numbers`
    tls = False  # everybody has a certificate
    without_tls = ""

    def setUp(self):
        self.seed = _options["seed"]
        self.random = random.Random(self.seed)
        self.logs = ""
        self.run_folder = run_folder.RunFolder("test")
        self.addCleanup(self.run_folder.close)
        self.folder = self.run_folder.path
        self.hosts = pair.Pair(self.folder, namespaced=self.two_hosts and not _options["local"])
        # Runs before the folder is removed, while services can still be asked.
        self.addCleanup(self.hosts.close)
        self.addCleanup(self._collect_logs)
        self.fleet = fleet.Fleet(self.hosts, session_ttl=self.session_ttl, store=self.store,
                                 coordinators=self.coordinators,
                                 settings=self.coordinator_settings, metrics=self.metrics,
                                 tls=self.tls or _options["tls"])

    @property
    def files(self):
        """Small files that come in one go, where a test has such."""
        return _options["files"]

    def until(self, condition, what, seconds_max=60.0):
        """Polls until `condition` is true; returns what it returned."""
        return process.until(condition, seconds_max, what)

    def script(self, name):
        """Path of a script beside the tests."""
        return os.path.join(SCRIPTS, name)

    def at_keyboard(self, args):
        """The command that runs `args` in the network of cw-a, and with all else as here: nsenter
        would stand between a terminal and a program in another namespace of processes."""
        if not self.hosts.namespaced:
            return list(args)
        return ["/usr/bin/nsenter", "--target", str(self.hosts.a.pid), "--net", "--", *args]

    def buf_curl(self, where, *options):
        """The command that calls HOST:PORT[/SERVICE/METHOD] by a client that is not ours; with TLS
        as an admin."""
        folder = self.fleet.certificates("admin")
        if not folder:
            scheme, how = "http", ["--http2-prior-knowledge"]
        else:
            scheme, how = "https", ["--cacert", f"{folder}/ca.crt", "--cert", f"{folder}/tls.crt",
                                    "--key", f"{folder}/tls.key"]
        return [npm.tool("buf"), "curl", "--protocol", "grpc", *how, *options,
                f"{scheme}://{where}"]

    def home(self, volume):
        """Where the volume's files really lie."""
        return self.hosts.path(self.hosts.b if volume == "unenriched" else self.hosts.a, volume)

    def results(self):
        """Relative paths, as bytes, of all that is published in `enriched`."""
        return tree(self.home("enriched"))

    def read_result(self, path):
        """Content of one result, by its path in bytes."""
        return read(os.path.join(os.fsencode(self.home("enriched")), path))

    def finished_jobs(self, count, seconds_max=60.0):
        """Waits until `count` jobs are there and all are final. Returns them."""
        def done():
            jobs = self.fleet.jobs()
            final = [job for job in jobs if job.state in ("succeeded", "failed", "cancelled")]
            return jobs if len(jobs) >= count and len(final) == len(jobs) else None
        return self.until(done, f"{count} jobs in a final state", seconds_max)

    def page(self, service=None):
        """What a service, by default the coordinator, tells Prometheus just now."""
        service = service or self.fleet.coordinator
        return self.hosts.a.check(["/usr/bin/python3", "-c", _FETCH,
                                   f"http://{service.metrics}/metrics"]).decode()

    def numbers(self, service=None):
        """{name and labels: value} of that."""
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in self.page(service).splitlines() if line and line[0] != "#"}

    def _collect_logs(self):
        parts = []
        for path in sorted(glob.glob(os.path.join(self.folder, "cw-*", "*", "log"))):
            lines = read(path).decode(errors="replace").splitlines()[-_LOG_LINES_MAX:]
            parts += [f"--- {os.path.relpath(path, self.folder)}", *lines]
        self.logs = "\n".join(parts)
        if _options["keep"]:
            self.run_folder.keep()


class FleetCase(HostsCase):
    """A test with everything running: `executors` on cw-b, and `pipelines` applied."""

    executors = (("cw-b-1", 2), ("cw-b-2", 2))
    executor_settings = ()  # further lines of their configuration
    pipelines = ""
    programs = None  # a folder of those of another version

    def setUp(self):
        super().setUp()
        for name, slots in self.executors:
            self.fleet.add_executor(self.hosts.b, name, slots=slots,
                                    settings=self.executor_settings)
        for service in self.fleet.services():
            service.programs = self.programs
        self.fleet.start()
        if self.pipelines:
            self.fleet.apply(self.pipelines.format(scripts=SCRIPTS, folder=self.folder))


def tree(root):
    """Relative paths, as bytes, of all files below `root` that are not Closewrite's own."""
    root = os.fsencode(root)
    found = []
    for folder, folders, names in os.walk(root):
        if folder == root and b".closewrite" in folders:
            folders.remove(b".closewrite")
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def read(path):
    """Content of a file."""
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    """Writes a file that holds `content`, making its folder."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
