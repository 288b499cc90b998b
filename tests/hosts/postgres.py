"""A real PostgreSQL server on a host, with the database `closewrite` of the user `closewrite`.

It is durable as an installed one is (fsync is on). On a host with a network of its own it listens
there; on this machine itself only on a socket in a folder that nobody else can enter.
"""

import glob
import os
import signal

from hosts import process, run_folder

_PROGRAMS = "/usr/lib/postgresql/*/bin"
_PORT = 5432
_INIT_S_MAX = 120.0
_READY_S_MAX = 60.0
_STOP_S_MAX = 60.0
_SQL_S_MAX = 30.0
_ADMINISTRATOR = "postgres"  # also the system's user whom the server runs as, as root it refuses to
_NAME = "closewrite"

# What an installed server has, too, but for the small memory; fsync is on by default. After a crash
# the whole data directory is synced, which by files takes seconds on a busy disk.
_SETTINGS = {"max_connections": "100", "shared_buffers": "32MB", "timezone": "UTC",
             "unix_socket_permissions": "0700", "recovery_init_sync_method": "syncfs"}
# The host's network has no members but the pair, and its socket can't be reached by other users.
_ACCESS = """\
local all all trust
host {name} {name} {address}/30 trust
"""

# RunFolder with the data directory of a server that was just made, of this process; each server
# begins as a copy, because making one takes seconds.
_made = []


class Postgres:
    """A server on host `on`, with everything that it keeps in one folder. start() it first. Not
    thread-safe, but for terminate_backends."""

    def __init__(self, on, namespaced):
        found = sorted(glob.glob(_PROGRAMS))
        if not found:
            raise RuntimeError("no PostgreSQL server: install what tests/packages names")
        self._programs = found[-1]
        self._host = on
        self._folder = os.path.join(on.folder, "postgres")
        self._data = os.path.join(self._folder, "data")
        self._sockets = os.path.join(self._folder, "sockets")
        self.log = os.path.join(self._folder, "log")
        self.process = None
        self.url = (f"postgresql://{_NAME}@{on.address}:{_PORT}/{_NAME}" if namespaced else
                    f"postgresql://{_NAME}@/{_NAME}?host={self._sockets}&port={_PORT}")
        self._as_owner = ([] if os.geteuid() != 0 else
                          ["/usr/bin/setpriv", f"--reuid={_ADMINISTRATOR}",
                           f"--regid={_ADMINISTRATOR}", "--init-groups",
                           # Changed credentials would clear it.
                           "--pdeathsig=keep", "--"])
        access = os.path.join(self._folder, "access.conf")
        address = on.address if namespaced else ""
        self._settings = {**_SETTINGS, "port": str(_PORT), "listen_addresses": address,
                          "unix_socket_directories": self._sockets, "hba_file": access}
        for folder in (self._folder, self._sockets):
            os.makedirs(folder, mode=0o700)
        with open(access, "w", encoding="utf-8") as file:
            file.write(_ACCESS.format(name=_NAME, address=address or "127.0.0.1"))
        if self._as_owner:
            self._host.check(["chown", "-R", f"{_ADMINISTRATOR}:", self._folder])
        if not _made:
            self._make()
        else:
            self._host.check(["cp", "--archive", os.path.join(_made[0].path, "data"), self._data])

    def _argv(self, program, *args):
        return [*self._as_owner, os.path.join(self._programs, program), *args]

    def _make(self):
        self._host.check(self._argv("initdb", "--pgdata", self._data, "--username",
                                    _ADMINISTRATOR, "--auth=trust", "--encoding=UTF8",
                                    "--locale=C.UTF-8", "--no-instructions", "--no-sync"),
                         timeout=_INIT_S_MAX, cwd="/")
        self.start()
        self.wait_ready()
        self.sql(f"CREATE ROLE {_NAME} LOGIN", database="postgres")
        self.sql(f"CREATE DATABASE {_NAME} OWNER {_NAME}", database="postgres")
        if self.stop() != 0:
            raise RuntimeError(f"PostgreSQL did not stop cleanly; its log is {self.log}")
        folder = run_folder.RunFolder("postgres")
        self._host.check(["cp", "--archive", self._data, os.path.join(folder.path, "data")])
        _made.append(folder)

    def start(self):
        """Starts it. Does not wait until it serves."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self.process = self._host.spawn(self._argv("postgres", "-D", self._data, *settings),
                                        self.log)

    def wait_ready(self):
        """Waits until it answers; after a crash it recovers first."""
        process.until(self._answers, _READY_S_MAX, f"PostgreSQL; its log is {self.log}")

    def _answers(self):
        if not self.process.alive():
            raise RuntimeError("PostgreSQL has ended: "
                               + self.process.read_log()[-2000:].decode(errors="replace"))
        done = self._host.run(self._argv("pg_isready", "--quiet", "--host", self._sockets, "--port",
                                         str(_PORT)), timeout=_SQL_S_MAX)
        return done.returncode == 0

    def kill(self):
        """SIGKILL to the postmaster and to all backends, and waits until none is left."""
        if not self.process.alive():
            return
        self.process.freeze()  # So that it makes no more of them.
        backends = process.children(self.process.pid)
        self.process.kill()
        for pid in backends:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # It has noticed the postmaster's death.
        process.until(lambda: not any(map(_running, backends)), _STOP_S_MAX, "PostgreSQL is gone")

    def restart(self):
        """kill(), and starts it again."""
        self.kill()
        self.start()

    def stop(self):
        """A fast shutdown. Returns the exit code."""
        self.process.send(signal.SIGINT)
        return self.process.wait(_STOP_S_MAX)

    def sql(self, text, database=_NAME):
        """Rows of a statement by the administrator, as lists of text; RuntimeError."""
        said = self._host.check(
            self._argv("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                       "--set=ON_ERROR_STOP=1", f"--host={self._sockets}", f"--port={_PORT}",
                       f"--username={_ADMINISTRATOR}", f"--dbname={database}",
                       f"--command={text}"), timeout=_SQL_S_MAX, cwd="/")
        return [line.split("|") for line in said.decode().splitlines()]

    def terminate_backends(self, chance, share=0.5):
        """pg_terminate_backend() of each of the database's sessions, of a random.Random, with
        probability `share`. Returns how many; 0 also while the server does not answer."""
        try:
            rows = self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = "
                            f"'client backend' AND datname = '{_NAME}' AND pid <> pg_backend_pid()")
            chosen = [pid for pid, in rows if chance.random() < share]
            if chosen:
                self.sql("SELECT pg_terminate_backend(pid) FROM unnest(ARRAY["
                         + ", ".join(chosen) + "]) AS pid")
            return len(chosen)
        except RuntimeError:
            return 0


def _running(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
