"""The services of Closewrite on a pair of hosts, and its command line.

The coordinators run on cw-a, and so does the PostgreSQL server that several of them share; a
watcher on each host, executors where a test wants them.
"""

import json
import os
import random
import socket
import subprocess
import threading

from hosts import job, postgres, process

_PORT_COORDINATOR = 7400
_PORT_COORDINATOR_STEP = 100
_PORT_WATCHER = 7401
_PORT_EXECUTOR = 7410
_PORT_PORTAL = 7480
_PORT_METRICS = 9470
_PORTS_ANY = (20_000, 32_000)
_PORT_TRIES_MAX = 100
_READY_S_MAX = 30.0
_STOP_S_MAX = 20.0
_CLI_S_MAX = 120.0

_HOSTILE_PEER = "hostile_peer"
STORES = ("sqlite", "postgresql")
_REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def program(service, programs=None):
    """Path of a program: `watcher`, `coordinator`, `executor`, `portal` or `cli`; or of the one
    that lies to them, `hostile_peer`.

    `programs`, or else CLOSEWRITE_TEST_PROGRAMS, names a folder with programs of these names, of
    another build. Where it has no `hostile_peer`, that is the one that is built here.
    """
    other = programs or os.environ.get("CLOSEWRITE_TEST_PROGRAMS")
    own = service == _HOSTILE_PEER
    if other and not (own and not os.path.exists(os.path.join(other, service))):
        return os.path.join(other, service)
    if own:
        return os.path.realpath(os.path.join(_REPOSITORY, "bazel-bin", "tests", "hostile", service))
    name = "closewrite" if service == "cli" else f"closewrite-{service}"
    # Bazel's convenience link leads out of the repository; hosts see the real path as well.
    return os.path.realpath(os.path.join(_REPOSITORY, "bazel-bin", "services", service, name))


class Service:
    """One service on one host, which can be started again with the same configuration."""

    def __init__(self, kind, on, folder, config, address, metrics=None):
        self.kind = kind
        self.name = os.path.basename(folder)
        self.host = on
        self.folder = folder
        self.address = address
        self.metrics = metrics  # Where they are served; None: nowhere.
        self.config = os.path.join(folder, f"{kind}.yaml")
        self.log = os.path.join(folder, "log")
        self.process = None
        self.programs = None  # a folder of those of another version
        lines = [config, *([f"metrics: {metrics}", ""] if metrics else [])]
        write(self.config, "\n".join(lines))

    def program(self):
        """Path of what runs it when it is started next."""
        return program(self.kind, self.programs)

    def start(self):
        """Starts it. Does not wait until it serves."""
        self.process = self.host.spawn([self.program(), "--config", self.config], self.log)
        return self

    def kill(self):
        """SIGKILL."""
        self.process.kill()

    def restart(self):
        """SIGKILL, and starts it again."""
        self.process.kill()
        self.start()

    def stop(self):
        """SIGTERM. Returns the exit code."""
        return self.process.terminate(_STOP_S_MAX)


class Authority:
    """Who issues certificates, by the command line. Thread-safe."""

    def __init__(self, folder):
        self._folder = folder
        self._lock = threading.Lock()
        self._issued = {}  # guarded by _lock
        self._certs("init", "--in", folder)

    def issue(self, role, name, *options):
        """The folder of a certificate, the same for the same owner."""
        with self._lock:
            if (role, name, options) not in self._issued:
                out = os.path.join(self._folder, f"{role}-{name}-{len(self._issued)}")
                self._certs("issue", role, name, *options, "--in", self._folder, "--out", out)
                self._issued[(role, name, options)] = out
            return self._issued[(role, name, options)]

    def lines(self, role, name, *options):
        """What a service's configuration says of it."""
        folder = self.issue(role, name, *options)
        return f"tls: {{ca: {folder}/ca.crt, cert: {folder}/tls.crt, key: {folder}/tls.key}}"

    @staticmethod
    def _certs(*args):
        subprocess.run([program("cli"), "certs", *args], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)


class Fleet:
    """All services on a pair of hosts.

    `store` is `sqlite` or `postgresql`; `coordinators` are several only of the latter. Everything
    that has a coordinator is told the addresses of all of them. `settings` are further lines of
    the coordinators' configuration. `metrics`: of all services are served. `tls`: with certificates
    of an authority of its own, `authority`.
    """

    def __init__(self, hosts, session_ttl="3s", store="sqlite", coordinators=1, settings=(),
                 metrics=False, tls=False):
        if store not in STORES or (coordinators > 1 and store != "postgresql"):
            raise ValueError(f"{coordinators} coordinators of {store}")
        self.hosts = hosts
        self.authority = Authority(_folder(hosts.a, "authority")) if tls else None
        self._ports = iter(range(_PORT_EXECUTOR, _PORT_EXECUTOR + 100))
        self._metrics_ports = iter(range(_PORT_METRICS, _PORT_METRICS + 100)) if metrics else None
        self.executors = {}
        self.postgres = None
        if store == "postgresql":
            self.postgres = postgres.Postgres(hosts.a, hosts.namespaced)
        self.coordinators = [self._coordinator(number, session_ttl, settings)
                             for number in range(coordinators)]
        self.coordinator = self.coordinators[0]
        self.address = ",".join(each.address for each in self.coordinators)
        self.watchers = {
            "enriched": self._watcher(hosts.a, "enriched"),
            "unenriched": self._watcher(hosts.b, "unenriched"),
        }

    def _coordinator(self, number, session_ttl, settings):
        name = f"coordinator-{number + 1}" if number else "coordinator"
        folder = _folder(self.hosts.a, name)
        address = self._listen(self.hosts.a, _PORT_COORDINATOR + number * _PORT_COORDINATOR_STEP)
        store = self.postgres.url if self.postgres else f"sqlite:{folder}/closewrite.db"
        return Service("coordinator", self.hosts.a, folder, "\n".join([
            f"listen: {address}",
            f"store: {store}",
            f"session_ttl: {session_ttl}",
            *self._tls(self.hosts.a, "coordinator", name),
            *settings, ""]), address, self._metrics(self.hosts.a))

    def _tls(self, on, role, name, *grants):
        """The lines of a service's configuration. Clients that are not ours look for its address in
        the certificate."""
        if self.authority:
            return [self.authority.lines(role, name, *grants, "--ip", on.address)]
        return ["insecure: true"] if role == "coordinator" else []

    def _listen(self, on, port):
        return f"{on.address}:{port if self.hosts.namespaced else free_port()}"

    def _metrics(self, on):
        return self._listen(on, next(self._metrics_ports)) if self._metrics_ports else None

    def _watcher(self, on, volume):
        folder = _folder(on, f"watcher-{volume}")
        listen = self._listen(on, _PORT_WATCHER)
        return Service("watcher", on, folder, "\n".join([
            f"host: {on.name}",
            f"listen: {listen}",
            f"coordinator: {self.address}",
            f"state: {_folder(on, f'watcher-{volume}', 'state')}",
            *self._tls(on, "watcher", on.name, "--volume", "*"),
            "volumes:",
            f"  {volume}: {{path: {self.hosts.path(on, volume)}}}", ""]), listen,
                       self._metrics(on))

    def add_executor(self, on, name, slots=2, labels=(), volumes=None, env=None, outlive=True,
                     settings=()):
        """Makes an executor on host `on`; `volumes` in place of where the host has them; `env` for
        its commands, which outlive it when it is killed, or do not; `settings`: further lines."""
        folder = _folder(on, name)
        listen = self._listen(on, next(self._ports))
        paths = {each: self.hosts.path(on, each) for each in ("unenriched", "enriched")}
        paths.update(volumes or {})
        self.executors[name] = Service("executor", on, folder, "\n".join([
            f"host: {on.name}",
            f"name: {name}",
            f"listen: {listen}",
            f"coordinator: {self.address}",
            f"state: {_folder(on, name, 'state')}",
            *self._tls(on, "executor", on.name, "--label", "*"),
            f"slots: {slots}", *settings,
            f"commands_outlive: {str(outlive).lower()}",
            f"labels: [{', '.join(labels)}]",
            f"env: {{{', '.join(f'{key}: {value}' for key, value in (env or {}).items())}}}",
            "volumes:",
            *[f"  {volume}: {{path: {path}}}" for volume, path in paths.items()], ""]), listen,
                                       self._metrics(on))
        return self.executors[name]

    def make_portal(self, on, settings="", port=None):
        """A portal on host `on` that is not started with the others, with further lines of its
        configuration."""
        address = f"{on.address}:{port}" if port else self._listen(on, _PORT_PORTAL)
        folder = _folder(on, "portal")
        return Service("portal", on, folder, "\n".join([
            f"listen: {address}",
            f"coordinator: {self.address}",
            f"state: {_folder(on, 'portal', 'state')}",
            *self._tls(on, "portal", "portal"),
            f"public_url: http://{address}",
            "volumes:",
            *[f"  {volume}: {{path: {self.hosts.path(on, volume)}}}"
              for volume in ("unenriched", "enriched")], settings, ""]), address)

    def services(self):
        """All of them, without PostgreSQL and portals."""
        return [*self.coordinators, *self.watchers.values(), *self.executors.values()]

    def start(self):
        """Starts everything and waits until it is ready for files."""
        if self.postgres is not None:
            self.postgres.start()
            self.postgres.wait_ready()
        for service in self.services():
            service.start()
        self.wait_ready()

    def wait_ready(self):
        """Waits until every watcher's volume is live and every executor attends."""
        process.until(self._ready, _READY_S_MAX, "watchers and executors connected; see the logs "
                      f"below {os.path.dirname(self.hosts.a.folder)}")

    def _ready(self):
        for service in self.services():
            if not service.process.alive():
                raise RuntimeError(f"{service.name} on {service.host.name} has ended with "
                                   f"{service.process.exit_code()}: "
                                   f"{service.process.read_log()[-2000:].decode(errors='replace')}")
        watchers = self.rows("watchers")
        live = [volume for row in watchers if row["connected"]
                for volume in row["volumes"] if volume["state"] == "live"]
        executors = [row for row in self.rows("executors") if row["connected"]]
        return len(live) >= len(self.watchers) and len(executors) >= len(self.executors)

    def certificates(self, role):
        """The folder with ca.crt, tls.crt and tls.key of somebody of that role; None without
        TLS."""
        return self.authority.issue(role, role) if self.authority else None

    def command(self, *args, ask=None, role="admin"):
        """The words that run `closewrite ARGS`, which asks any coordinator, or `ask` alone; with
        TLS as somebody of that role."""
        address = ask.address if ask else self.address
        tls = ["--tls", self.certificates(role)] if self.authority else []
        return [program("cli"), "--coordinator", address, *tls, *args]

    def environment(self, role):
        """The variables that make somebody of that role of a `closewrite` which is not told by its
        arguments; nothing without TLS."""
        return {"CLOSEWRITE_TLS": self.certificates(role)} if self.authority else {}

    def cli(self, *args, on=None, ask=None, seconds_max=_CLI_S_MAX, role="admin", **options):
        """Runs command() on a host, cw-a by default. Returns the CompletedProcess."""
        on = on or self.hosts.a
        return on.run(self.command(*args, ask=ask, role=role), timeout=seconds_max, **options)

    def rows(self, *args, ask=None):
        """NDJSON rows of `closewrite ARGS -o json`; empty while there is no coordinator."""
        done = self.cli(*args, "-o", "json", ask=ask)
        if done.returncode != 0:
            return []
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def jobs(self):
        """All jobs, newest first; empty while there is no coordinator."""
        return [job.parse(row) for row in self.rows("jobs", "--limit", "0")]

    def must(self, *args, **options):
        """cli() that must exit with 0. Returns stdout as text."""
        done = self.cli(*args, **options)
        if done.returncode != 0:
            raise RuntimeError(f"closewrite {' '.join(args)} exited with {done.returncode}: "
                               f"{(done.stdout + done.stderr).decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def apply(self, text):
        """Applies pipelines given as YAML."""
        path = os.path.join(self.hosts.a.folder, "pipelines.yaml")
        write(path, text)
        return self.must("pipeline", "apply", "-f", path)


def write(path, text):
    """Writes a text file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _folder(on, *names):
    path = os.path.join(on.folder, *names)
    os.makedirs(path, exist_ok=True)
    return path


def free_port():
    """A port of the loopback that nobody listens on; below those that the kernel gives to
    connections, which may take one before its server does."""
    for _ in range(_PORT_TRIES_MAX):
        port = random.randrange(*_PORTS_ANY)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no port is free")
