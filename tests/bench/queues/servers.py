"""Servers on this machine's loopback, each with a folder of its own on the disk."""

import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

from hosts import fleet, host, influx, process

_START_S_MAX = 120.0
_STOP_S_MAX = 120.0
# Metrics are served, and told of, first.
_PORT = re.compile(rb"\bserving listen=\S+ port=(\d+)")
_URL = re.compile(r"postgresql://[^\s\"]*")
_POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
_POSTGRES_USER = "postgres"
_SOCKET_PATH_MAX = 90
_INFLUX_BODY_BYTES_MAX = 25_000_000


class Unsupported(RuntimeError):
    """A server that this build, or this machine, does not have; the text says why."""


def _answers(port):
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One server program. Use it in a `with`: it is killed at the end, whatever happened."""

    def __init__(self, name, folder):
        os.makedirs(folder, exist_ok=True)
        self.name = name
        self.folder = folder
        self.log = os.path.join(folder, f"{name}.log")
        self.process = None
        self._machine = host.LocalHost(name, folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._machine.close()

    @property
    def pid(self):
        """Process id of the first of its processes."""
        return self.process.pid

    def spawn(self, args, ready):
        """Starts it and waits until `ready()` is true."""
        self.process = self._machine.spawn([str(arg) for arg in args], self.log)
        process.until(lambda: ready() or not self.process.alive(), _START_S_MAX,
                      f"{self.name} serves; see {self.log}")
        if not self.process.alive():
            raise Unsupported(f"{self.name} does not start: {self._last_words()}")

    def _last_words(self):
        lines = self.process.read_log().decode(errors="replace").strip().splitlines()
        # A password may stand in it.
        return _URL.sub("postgresql://...", lines[-1]) if lines else "it said nothing"

    def stop(self):
        """Ends it in its own way. May be called any number of times."""
        if self.process is not None and self.process.alive():
            self.process.terminate(_STOP_S_MAX)


class Coordinator(Server):
    """Closewrite's coordinator over a store."""

    def __init__(self, folder, store, name="coordinator", session_ttl=None, settings=()):
        super().__init__(name, folder)
        self._store = store
        self._session_ttl = session_ttl
        self._settings = settings
        self.address = None

    def start(self):
        """Starts it and waits until it serves; again on the port that it had."""
        config = os.path.join(self.folder, f"{self.name}.yaml")
        lines = [f"listen: {self.address or '127.0.0.1:0'}", f"store: {self._store}"]
        if self._session_ttl:
            lines.append(f"session_ttl: {self._session_ttl}")
        fleet.write(config, "\n".join([*lines, *self._settings, ""]))
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.spawn([fleet.program("coordinator"), "--config", config],
                   lambda: _PORT.search(self.said()))
        self.address = f"127.0.0.1:{int(_PORT.search(self.said()).group(1))}"
        return self

    def said(self):
        """Its log, as bytes."""
        return self.process.read_log()

    def kill(self):
        """SIGKILL."""
        self.process.kill()


class Beanstalkd(Server):
    """beanstalkd with a log on the disk; `sync`: each operation is synced."""

    def __init__(self, folder, sync):
        super().__init__("beanstalkd", folder)
        self._sync = sync
        self.port = fleet.free_port()

    def start(self):
        """Starts it."""
        data = os.path.join(self.folder, "binlog")
        os.makedirs(data)
        self.spawn(["beanstalkd", "-l", "127.0.0.1", "-p", self.port, "-b", data,
                    "-f0" if self._sync else "-F"], lambda: _answers(self.port))
        return self


class Redis(Server):
    """Redis that syncs its log before each answer."""

    def __init__(self, folder):
        super().__init__("redis", folder)
        self.port = fleet.free_port()

    def start(self):
        """Starts it."""
        data = os.path.join(self.folder, "data")
        os.makedirs(data)
        self.spawn(["redis-server", "--bind", "127.0.0.1", "--port", self.port, "--dir", data,
                    "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                    "--daemonize", "no"], lambda: _answers(self.port))
        return self


class Prometheus(Server):
    """Prometheus that scrapes one address each second."""

    def __init__(self, folder, target):
        super().__init__("prometheus", folder)
        self._target = target
        self.port = fleet.free_port()

    def start(self):
        """Starts it."""
        config = os.path.join(self.folder, "prometheus.yml")
        fleet.write(config, "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                    "scrape_configs: [{job_name: closewrite, "
                    f"static_configs: [{{targets: ['{self._target}']}}]}}]\n")
        self.spawn([_installed("prometheus"), f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder}/data", "--log.level=warn",
                    f"--web.listen-address=127.0.0.1:{self.port}"], lambda: _answers(self.port))
        return self


class PointSink(Server):
    """Takes points as InfluxDB does and forgets them: what is left of one that has a machine of its
    own."""

    def __init__(self, folder):
        super().__init__("point-sink", folder)
        self.port = fleet.free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts it."""
        self.spawn(["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "point_sink.py"),
                    self.port], lambda: _answers(self.port))


class Influxd(Server):
    """InfluxDB 1 with one database."""

    def __init__(self, folder):
        super().__init__("influxd", folder)
        self.port = fleet.free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, database):
        """Starts it, and makes the database."""
        config = os.path.join(self.folder, "influx.conf")
        fleet.write(config, influx.CONFIG.format(address="127.0.0.1", port=self.port,
                                                 rpc=fleet.free_port(), folder=self.folder,
                                                 body=_INFLUX_BODY_BYTES_MAX))
        self.spawn([_installed("influxd"), "-config", config], lambda: _answers(self.port))
        query = urllib.parse.urlencode({"q": f"CREATE DATABASE {database}"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", query, timeout=_START_S_MAX):
            return self


def _installed(name):
    path = os.path.join("/usr/bin", name)
    if not os.access(path, os.X_OK):
        raise Unsupported(f"{name} is not installed")
    return path


class Postgres(Server):
    """PostgreSQL with fsync and synchronous_commit, which never runs as root.

    It runs as long as it was started more often than stopped; its databases stay. Passwords are
    asked for on the loopback only; the socket lies in a folder that nobody else can enter.
    """

    def __init__(self, folder, shared_buffers):
        super().__init__("postgres", folder)
        self.data = os.path.join(folder, "data")
        self.socket = os.path.join(folder, "s")
        self.port = fleet.free_port()
        self.password = secrets.token_hex(16)
        self._shared_buffers = shared_buffers
        self._made = False
        self._users = 0
        if len(self.socket) > _SOCKET_PATH_MAX:
            raise Unsupported(f"{self.socket} is too long for a socket; choose another --folder")

    def _as_user(self):
        if os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid", _POSTGRES_USER, "--regid", _POSTGRES_USER, "--clear-groups",
                "--pdeathsig", "KILL", "--"]

    def _make(self):
        if not os.path.isdir(_POSTGRES_BIN):
            raise Unsupported("PostgreSQL 15 is not installed")
        for each in (self.data, self.socket):
            os.makedirs(each, mode=0o700)
            if os.geteuid() == 0:
                user = pwd.getpwnam(_POSTGRES_USER)
                os.chown(each, user.pw_uid, user.pw_gid)
        done = subprocess.run(
            [*self._as_user(), f"{_POSTGRES_BIN}/initdb", "--pgdata", self.data, "--username",
             _POSTGRES_USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"],
            cwd="/", check=False, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_START_S_MAX)
        if done.returncode != 0:
            raise Unsupported("initdb: " + done.stderr.decode(errors="replace").strip())
        fleet.write(os.path.join(self.data, "pg_hba.conf"),
                    "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                       f"unix_socket_directories = '{self.socket}'\nmax_connections = 200\n"
                       f"fsync = on\nsynchronous_commit = on\nmax_wal_size = 4GB\n"
                       f"shared_buffers = {self._shared_buffers}\n")
        self._made = True

    def start(self):
        """Starts it, and makes it first if need be."""
        if self._users > 0:
            self._users += 1
            return self
        first = not self._made
        if first:
            self._make()
        self.spawn([*self._as_user(), f"{_POSTGRES_BIN}/postgres", "-D", self.data], self._ready)
        if first:
            self.execute("postgres", f"ALTER USER {_POSTGRES_USER} PASSWORD '{self.password}'")
        self._users = 1
        return self

    def _ready(self):
        done = subprocess.run(
            [f"{_POSTGRES_BIN}/pg_isready", "--quiet", "--host", self.socket, "--port",
             str(self.port)], check=False, stdin=subprocess.DEVNULL)
        return done.returncode == 0

    def execute(self, database, sql):
        """Runs SQL. Returns its rows as text."""
        done = subprocess.run(
            [f"{_POSTGRES_BIN}/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
             "--host", self.socket, "--port", str(self.port), "--username", _POSTGRES_USER,
             "--dbname", database, "--command", sql], check=False, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_START_S_MAX)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def fresh(self, database):
        """An empty database of this name."""
        self.execute("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.execute("postgres", f"CREATE DATABASE {database}")

    def conninfo(self, database):
        """For libpq, by the socket."""
        return f"host={self.socket} port={self.port} user={_POSTGRES_USER} dbname={database}"

    def url(self, database):
        """For those that want one, by the loopback."""
        return f"postgresql://{_POSTGRES_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends its sessions, writes what is to be written, and ends, once nobody uses it."""
        self._users = max(0, self._users - 1)
        if self._users == 0:
            self.end()

    def end(self):
        """Ends it, whoever uses it. May be called any number of times."""
        self._users = 0
        if self.process is not None and self.process.alive():
            self.process.send(signal.SIGINT)
            self.process.wait(_STOP_S_MAX)


class Executor(Server):
    """The executor of the product, with the benchmark's first volume."""

    def __init__(self, folder, number, address, slots=1):
        super().__init__(f"executor-{number}", folder)
        self._config = os.path.join(folder, "executor.yaml")
        state, volume = os.path.join(folder, "state"), os.path.join(folder, "volume")
        for each in (state, volume):
            os.makedirs(each)
        fleet.write(self._config, "\n".join([
            f"host: bench-{number}", "listen: 127.0.0.1:0", f"coordinator: {address}",
            f"state: {state}", f"slots: {slots}", "commands_outlive: false", "volumes:",
            f"  bench-0: {{path: {volume}}}", ""]))

    def start(self, coordinator):
        """Starts it and waits until the coordinator knows it."""
        self.spawn([fleet.program("executor"), "--config", self._config],
                   lambda: f"executor={self.name_there}".encode() in coordinator.said())
        return self

    @property
    def name_there(self):
        """Its name at the coordinator."""
        return self.name.replace("executor", "bench")

    def kill(self):
        """SIGKILL; does not wait."""
        self.process.send(signal.SIGKILL)
