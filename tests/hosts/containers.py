"""Containers of podman on a host of namespaces of their own: that host's end is theirs.

Neither this machine's images nor its networks are touched, and nothing is left of it: images and
containers lie in the host's own /run, which is memory.
"""

import json
import os

from hosts import host

# What this machine's containers need to be started in; see containers.conf(5).
_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
_PODMAN_S_MAX = 120.0
_NETWORK = "closewrite"
_ADDRESSES = "10.78.0."
_FIRST_ADDRESS = 10


class Containers:
    """A host with podman, and its internal network: nothing on it reaches further."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("host", "networks"):
            os.makedirs(os.path.join(folder, name))
        self._conf = os.path.join(folder, "containers.conf")
        with open(self._conf, "w", encoding="utf-8") as file:
            file.write(_CONF.format(folder=folder))
        self.host = host.NamespacedHost("containers", os.path.join(folder, "host"), "127.0.0.1")
        try:
            self.must("network", "create", "--internal", f"--subnet={_ADDRESSES}0/24", _NETWORK)
        except BaseException:
            self.close()
            raise

    def close(self):
        """Ends all containers. May be called any number of times."""
        self.host.close()

    def podman(self, *args, **options):
        """Runs podman; returns the CompletedProcess."""
        options.setdefault("timeout", _PODMAN_S_MAX)
        return self.host.run(["env", f"CONTAINERS_CONF={self._conf}", "podman",
                              "--root=/run/store", "--runroot=/run/containers",
                              "--storage-driver=overlay", *args], **options)

    def must(self, *args, **options):
        """podman() that must exit with 0. Returns stdout as text."""
        done = self.podman(*args, **options)
        said = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(args)} exited with {done.returncode}: {said}"
                               f"{done.stderr.decode(errors='replace')}")
        return said

    def load(self, archive):
        """Takes an image out of an archive."""
        self.must("load", "--quiet", "--input", archive)

    def run(self, name, image, number, *options):
        """Starts a container as little trusted as can be: nothing of its image can be written, no
        capability, no way to gain one. It keeps its address, which follows from its number, when it
        is started again."""
        self.must("run", "--detach", f"--name={name}", f"--hostname={name}",
                  f"--network={_NETWORK}", f"--ip={_ADDRESSES}{_FIRST_ADDRESS + number}",
                  "--read-only", "--cap-drop=all",
                  "--security-opt=no-new-privileges", "--pull=never", *options, image)

    def state(self, name):
        """What podman knows of a container's state."""
        return json.loads(self.must("inspect", "--type=container", name))[0]["State"]

    def kill(self, name):
        """SIGKILL to its first process, and waits until all of it is gone."""
        self.must("kill", "--signal=KILL", name)
        self.must("wait", name)

    def stop(self, name, seconds_max):
        """SIGTERM, and SIGKILL after so many seconds. Returns the exit code."""
        self.must("stop", f"--time={seconds_max}", name)
        return self.state(name)["ExitCode"]

    def processes(self, name):
        """[(pid, name, state, parent)] of all processes in a container that has a shell, with the
        numbers that they have there."""
        stats = self.must("exec", name, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
        found = []
        for line in stats.splitlines():
            head, _, fields = line.rpartition(")")
            pid, _, comm = head.partition(" (")
            found.append((int(pid), comm, fields.split()[0], int(fields.split()[1])))
        return found

    def logs(self, name):
        """What a container has printed."""
        done = self.podman("logs", name)
        return (done.stdout + done.stderr).decode(errors="replace")
