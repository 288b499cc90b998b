"""A bad configuration: one clear line on stderr, exit code 2, nothing half-started."""

import os
import re
import socket
import subprocess

from e2e import case
from hosts import fleet

_REFUSED_S_MAX = 30

_GOOD = {
    "coordinator": {"listen": "{listen}", "store": "sqlite:{state}/c.db"},
    "watcher": {"host": "cw-a", "listen": "{listen}", "coordinator": "127.0.0.1:1",
                "state": "{state}", "volumes": "{{enriched: {{path: {volume}}}}}"},
    "executor": {"host": "cw-a", "listen": "{listen}", "coordinator": "127.0.0.1:1",
                 "state": "{state}", "volumes": "{{enriched: {{path: {volume}}}}}"},
}

# Service, what is changed in the good configuration, words that the line must have.
_BAD = (
    ("coordinator", {"lissten": "127.0.0.1:1"}, ["lissten", "listen"]),
    ("coordinator", {"store": "postgres:x"}, ["store", "sqlite"]),
    ("coordinator", {"store": "sqlite:relative.db"}, ["store"]),
    ("coordinator", {"store": None}, ["store"]),
    ("coordinator", {"listen": "nowhere"}, ["listen"]),
    ("coordinator", {"listen": None}, ["listen"]),
    ("coordinator", {"listen": "{busy}"}, ["listen", "in use"]),
    ("coordinator", {"session_ttl": "10 parsecs"}, ["session_ttl"]),
    ("coordinator", {"session_ttl": "1ms"}, ["session_ttl"]),
    ("coordinator", {"store": "sqlite:{file}/c.db"}, ["store"]),
    ("watcher", {"hots": "cw-a"}, ["hots", "host"]),
    ("watcher", {"host": None}, ["host"]),
    ("watcher", {"host": "two words"}, ["host"]),
    ("watcher", {"listen": "{busy}"}, ["listen", "in use"]),
    ("watcher", {"coordinator": None}, ["coordinator"]),
    ("watcher", {"state": None}, ["state"]),
    ("watcher", {"state": "relative"}, ["state"]),
    ("watcher", {"state": "{volume}/state"}, ["state", "volume"]),
    ("watcher", {"volumes": None}, ["volume"]),
    ("watcher", {"volumes": "{{enriched: {{path: {volume}/missing}}}}"}, ["enriched", "missing"]),
    ("watcher", {"volumes": "{{enriched: {{path: {file}}}}}"}, ["enriched"]),
    ("watcher", {"volumes": "{{enriched: {{path: relative}}}}"}, ["enriched"]),
    ("watcher", {"volumes": "{{enriched: {{pth: {volume}}}}}"}, ["pth", "path"]),
    ("watcher", {"volumes": "{{a/b: {{path: {volume}}}}}"}, ["a/b"]),
    ("executor", {"slotz": "4"}, ["slotz", "slots"]),
    ("executor", {"slots": "many"}, ["slots"]),
    ("executor", {"slots": "-1"}, ["slots"]),
    ("executor", {"host": None}, ["host"]),
    ("executor", {"listen": "{busy}"}, ["listen", "in use"]),
    ("executor", {"coordinator": None}, ["coordinator"]),
    ("executor", {"state": None}, ["state"]),
    ("executor", {"state": "{volume}/state"}, ["state", "volume"]),
    ("executor", {"state": "{file}/state"}, ["state"]),
    ("executor", {"volumes": "{{enriched: {{path: {volume}/missing}}}}"}, ["enriched", "missing"]),
    ("executor", {"env": "{{CLOSEWRITE_JOB: 1}}"}, ["env", "CLOSEWRITE_JOB"]),
)


class _ConfigurationCase(case.HostsCase):
    """Writes configurations, and shows that they are refused."""

    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.folder, "state")
        self.file = os.path.join(self.folder, "file")
        case.write(self.file, b"")
        # A port that is taken, and one that is not.
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.addCleanup(self._listener.close)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{probe.getsockname()[1]}"

    def _write(self, service, change, volume):
        values = {"listen": self.listen, "busy": f"127.0.0.1:{self._listener.getsockname()[1]}",
                  "state": self.state, "file": self.file, "volume": volume}
        fields = {**_GOOD[service], **change}
        path = os.path.join(self.folder, f"{service}.yaml")
        fleet.write(path, "".join(f"{key}: {value.format(**values)}\n"
                                  for key, value in fields.items() if value is not None))
        return path

    def check_refused(self, done, words):
        """What `done`, a CompletedProcess, has said; that it has ended is clear."""
        said = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, 2, said)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(said.count("\n"), 1, said)
        for word in words:
            self.assertIn(word, said)
        with socket.socket() as client:
            host, port = self.listen.split(":")
            self.assertNotEqual(client.connect_ex((host, int(port))), 0, "somebody listens")


class ConfigurationTest(_ConfigurationCase):
    """What needs no second host."""

    needs_root = False

    def _run(self, service, path, *args):
        return subprocess.run([fleet.program(service), "--config", path, *args], check=False,
                              capture_output=True, timeout=_REFUSED_S_MAX, cwd=self.folder)

    def test_refused(self):
        for number, (service, change, words) in enumerate(_BAD):
            with self.subTest(service=service, change=change):
                volume = self.run_folder.make(f"volume-{number}")
                self.state = os.path.join(self.folder, f"state-{number}")
                if service == "coordinator":
                    os.mkdir(self.state)
                self.check_refused(self._run(service, self._write(service, change, volume)), words)
                self.assertEqual(case.tree(volume), [])
                if change.get("listen") not in ("{busy}", "nowhere"):
                    # The port is taken last; what comes before it may be prepared by then.
                    left = os.listdir(self.state) if os.path.exists(self.state) else []
                    self.assertEqual(left, [], "half-started")

    def test_file_is_missing_or_no_yaml(self):
        broken = os.path.join(self.folder, "broken.yaml")
        fleet.write(broken, "listen: [\n")
        for service in _GOOD:
            with self.subTest(service=service):
                missing = os.path.join(self.folder, "none.yaml")
                self.check_refused(self._run(service, missing), ["none.yaml"])
                self.check_refused(self._run(service, broken), ["broken.yaml:"])

    def test_unknown_key_is_located(self):
        path = self._write("coordinator", {"lissten": "127.0.0.1:1"}, "")
        said = self._run("coordinator", path).stderr.decode()
        self.assertIsNotNone(re.search(r"coordinator\.yaml:3: .*lissten", said), said)

    def test_check_config_tells_where_values_come_from(self):
        volume = self.run_folder.make("volume")
        for service in _GOOD:
            with self.subTest(service=service):
                path = self._write(service, {}, volume)
                done = subprocess.run(
                    [fleet.program(service), "--config", path, "--listen", "127.0.0.1:9",
                     "--check-config"], check=False, capture_output=True, timeout=_REFUSED_S_MAX,
                    env={**os.environ, "CLOSEWRITE_REFLECTION": "false"})
                self.assertEqual(done.returncode, 0, done.stderr)
                lines = done.stdout.decode().splitlines()
                for key, origin in (("listen", "--listen"), ("state", path), ("store", path),
                                    ("reflection", "CLOSEWRITE_REFLECTION")):
                    for line in lines:
                        if line.startswith(key + ":"):
                            self.assertIn(f"# from {origin}", line)
                self.assertTrue(any("default" in line for line in lines) or service == "watcher")
                self.assertFalse(os.path.exists(self.state))


    def test_check_config_keeps_secrets(self):
        path = os.path.join(self.folder, "secrets.yaml")
        fleet.write(path, "\n".join([
            "listen: 127.0.0.1:0", "store: postgresql://me:geheim@db/closewrite",
            "influx: {url: 'http://i:8086', database: d, password: geheim, token: geheim}",
            "mail: {server: 'smtp://m:587', username: me, password: geheim, from: a@b.org}", ""]))
        done = subprocess.run([fleet.program("coordinator"), "--config", path, "--check-config"],
                              check=False, capture_output=True, timeout=_REFUSED_S_MAX)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"geheim", done.stdout)
        self.assertIn(b"postgresql://me@db/closewrite", done.stdout)


class RootConfigurationTest(_ConfigurationCase):
    """What needs real mounts and other users."""

    def test_remote_file_system_as_home(self):
        mount = self.hosts.path(self.hosts.a, "unenriched")
        path = self._write("watcher", {}, mount)
        done = self.hosts.a.run([fleet.program("watcher"), "--config", path],
                                timeout=_REFUSED_S_MAX)
        self.check_refused(done, ["fuse.sshfs", self.hosts.b.address])

    def test_unreadable_folder(self):
        volume = self.run_folder.make("volume")
        os.chmod(volume, 0o700)
        home = self.run_folder.make("nobody")
        os.chown(home, 65534, 65534)
        self.state = os.path.join(home, "state")
        for service in ("watcher", "executor"):
            with self.subTest(service=service):
                # nobody may not pass through the folder that Bazel built in.
                program = os.path.join(self.folder, service)
                case.write(program, case.read(fleet.program(service)))
                os.chmod(program, 0o755)
                done = subprocess.run(
                    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program,
                     "--config", self._write(service, {}, volume)], check=False,
                    capture_output=True, timeout=_REFUSED_S_MAX)
                self.check_refused(done, ["enriched", "ermission"])
