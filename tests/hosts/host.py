"""A host: a place where programs run. A real one in namespaces of its own, or this machine itself.

A namespaced host has its own network, mounts, process ids and host name. It lives as long as one
holder process, the first of its process id namespace: when that ends, the kernel kills all that
runs on the host, and mounts, network and processes disappear with it. The holder in turn dies with
the process that made it, so that even SIGKILL leaves nothing behind.
"""

import os
import subprocess

from hosts import process

_NSENTER = "/usr/bin/nsenter"
_CONNECT = ("import socket, sys; "
            "socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()")
_START_S_MAX = 20.0
_LEASES_S_MAX = 30.0


class LocalHost:
    """This machine, under a host's name. All hosts of this kind see the same files and network."""

    # What runs in namespaces of its own dies with these, and needs no care of ours.
    _entered = False

    def __init__(self, name, folder, address="127.0.0.1", detached=False):
        self.name = name
        self.folder = folder
        self.address = address
        self.detached = detached
        self._processes = []

    def argv(self, args):
        """The command that runs `args` on this host, to be started from this machine."""
        return list(args)

    def run(self, args, **options):
        """subprocess.run() of `args` on this host; output is captured as bytes unless said."""
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        if "stdout" not in options:
            options.setdefault("capture_output", True)
        return subprocess.run(self.argv(args), check=False, **options)

    def check(self, args, **options):
        """run() that must exit with 0. Returns stdout."""
        done = self.run(args, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{args} on {self.name} exited with {done.returncode}: "
                               f"{(done.stderr or b'').decode(errors='replace').strip()}")
        return done.stdout

    def accepts(self, port):
        """True when a program on this host takes connections at its address."""
        return self.run(["/usr/bin/python3", "-c", _CONNECT, self.address,
                         str(port)]).returncode == 0

    def spawn(self, args, log, env=None):
        """Starts `args` in the background, appending its output to file `log`.

        On this machine itself (LocalHost) it dies with the calling thread, unless `detached`.
        """
        with open(log, "ab") as output:
            popen = subprocess.Popen(
                self.argv(args), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=env, start_new_session=True,
                preexec_fn=None if self._entered or self.detached else process.die_with_parent)
        started = process.Process(popen, log, entered=self._entered)
        self._processes.append(started)
        return started

    def processes(self):
        """(process id as this machine sees it, command line) of all that was started here."""
        return [(each.pid, _command_line(each.pid)) for each in self._processes if each.alive()]

    def close(self):
        """Kills all that runs here, and waits for commands that outlive their executors to die with
        their leases. May be called any number of times."""
        for each in self._processes:
            if each.alive():
                each.kill()
        process.until(lambda: not process.supervisors(self.folder), _LEASES_S_MAX,
                      f"the end of the commands of {self.name}")


class NamespacedHost(LocalHost):
    """A host with namespaces of its own. Needs root. `detached`: it outlives who made it."""

    _entered = True

    def __init__(self, name, folder, address, detached=False):
        super().__init__(name, folder, address, detached)
        # A file of its own: it would keep a pipe open that whoever called us reads to its end.
        with open(os.path.join(folder, "host.log"), "wb") as log:
            self._holder = subprocess.Popen(
                ["/usr/bin/unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork",
                 "--kill-child=SIGKILL", "--mount-proc", "/bin/sh", "-c",
                 # Orphans are reaped by the kernel because the first process ignores SIGCHLD.
                 'trap "" CHLD; hostname "$0" && ip link set lo up && mount -t tmpfs run /run && '
                 "mkdir /run/sshd && exec sleep infinity", name],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if detached else process.die_with_parent)
        self.pid = process.until(self._first_process, _START_S_MAX, f"host {name}")

    @property
    def holder_pid(self):
        """The process that the host lives as long as."""
        return self._holder.pid

    def _first_process(self):
        if self._holder.poll() is not None:
            raise RuntimeError(f"cannot make namespaces for host {self.name}; run as root, on a "
                               "machine that allows unshare(2)")
        for pid in process.children(self._holder.pid):
            if _command_line(pid)[:1] == [b"sleep"]:
                return pid
        return None

    def argv(self, args):
        return [_NSENTER, "--target", str(self.pid), "--mount", "--net", "--uts", "--ipc", "--pid",
                "--", *args]

    def processes(self):
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                    found.append((int(name), _command_line(int(name))))
            except OSError:
                continue  # It has ended meanwhile.
        return found

    def close(self):
        if self._holder.poll() is None:
            self._holder.kill()
            self._holder.wait()
        for each in self._processes:
            each.wait(_START_S_MAX)


def _command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[:-1]
    except OSError:
        return []
