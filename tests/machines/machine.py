"""A machine with a real systemd on a host of tests/hosts: it boots, reboots and has a journal."""

import os
import signal
import subprocess

from hosts import process

_NSPAWN = "/usr/bin/systemd-nspawn"
_BOOT_S_MAX = 120.0
# The exit code of `systemd-nspawn --keep-unit` when the machine wants to reboot.
_RESTART_ME = 133
_EMPTY_S_MAX = 20.0
# FUSE for sshfs, autofs for mounts that are made when they are needed.
_DEVICES = ("/dev/fuse", "/dev/autofs")
_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "TERM=dumb")
# Where systemd keeps its groups: version 1 beside 2, or 2 alone.
_CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")


class Machine:
    """Boots a copy of the file system `root` on a NamespacedHost, whose network it uses.

    It dies with the host. close() it before the host, for its control groups stay otherwise.
    """

    def __init__(self, name, host, root):
        self.name = name
        self.host = host
        self.address = host.address
        tree = os.path.join(host.folder, "machine")
        # Its files, as they are seen from this machine: the mount is the host's alone.
        self.tree = os.path.join(f"/proc/{host.pid}/root", tree.lstrip("/"))
        self._groups = [os.path.join(path, f"closewrite-machine-{host.pid}") for path in _CGROUPS
                        if os.path.exists(os.path.join(path, "cgroup.procs"))]
        self._copy(root, tree)
        with open(os.path.join(self.tree, "etc", "hostname"), "w", encoding="ascii") as file:
            file.write(name + "\n")
        for group in self._groups:
            os.makedirs(group)
        self._log = os.path.join(host.folder, "machine.log")
        self.process = None
        devices = [f"--bind={device}" for device in _DEVICES if os.path.exists(device)]
        # The shell moves into the groups first, as systemd-nspawn makes its own below those that it
        # finds itself in, and two machines must not share them.
        enter = "".join(f"echo $$ >{group}/cgroup.procs && " for group in self._groups)
        self._boot = ["/bin/sh", "-c", enter + 'exec "$@"', "enter", _NSPAWN, "--boot", "--quiet",
                      "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off",
                      "--timezone=off", f"--machine={name}", f"--directory={tree}", *devices]
        self._start()

    def _start(self):
        self.process = self.host.spawn(self._boot, self._log)
        self.until_up()

    def _copy(self, root, tree):
        """An overlay: what the machine writes is its own."""
        upper, work = (os.path.join(self.host.folder, name) for name in ("upper", "overlay-work"))
        for folder in (upper, work, tree):
            os.makedirs(folder)
        self.host.check(["mount", "-t", "overlay", "overlay", "-o",
                         f"lowerdir={root},upperdir={upper},workdir={work}", tree])

    @property
    def leader(self):
        """Its first process, as this machine sees it; None while it reboots."""
        return next(iter(process.children(self.process.pid)), None)

    def until_up(self):
        """Waits until systemd has started all that it is to start."""
        process.until(self._is_up, _BOOT_S_MAX, f"the start of {self.name}; see {self._log}")

    def _is_up(self):
        if not self.process.alive():
            with open(self._log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.name} has ended: {log.read()[-2000:]}")
        state = self.leader and self.run("systemctl is-system-running").stdout.strip()
        return state in (b"running", b"degraded")

    def argv(self, script):
        """The command that runs a line of shell on this machine as root."""
        return ["/usr/bin/nsenter", "--target", str(self.leader), "--mount", "--net", "--uts",
                "--ipc", "--pid", "--cgroup", "--root", "--wd", "--", "/usr/bin/env", "-i",
                *_ENVIRONMENT, "/bin/bash", "-c", script]

    def run(self, script, **options):
        """subprocess.run() of a line of shell; output is captured as bytes."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(script), check=False, capture_output=True, **options)

    def check(self, script, **options):
        """run() that must exit with 0. Returns stdout as text."""
        done = self.run(script, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}# {script}\nexited with {done.returncode}: "
                               + (done.stdout + done.stderr).decode(errors="replace")[-2000:])
        return done.stdout.decode(errors="replace")

    def says(self, script):
        """What a line of shell prints, whatever its exit code, without blanks at the ends."""
        return self.run(script).stdout.decode(errors="replace").strip()

    def main_pid(self, unit):
        """The process id of a service on this machine; 0: it does not run."""
        return int(self.says(f"systemctl show --property=MainPID --value {unit}") or 0)

    def reboot(self):
        """As from the keyboard. Waits until it is up again."""
        self.run("systemctl reboot")
        code = self.process.wait(_BOOT_S_MAX)
        if code != _RESTART_ME:
            raise RuntimeError(f"{self.name} ended with {code} when it was to reboot")
        self._start()

    def journal(self, unit, lines):
        """The last lines of a unit's journal."""
        return self.says(f"journalctl --no-pager --output=cat --lines={lines} --unit={unit}")

    def close(self):
        """Ends it at once, as a power cut does. May be called any number of times."""
        leader = self.leader
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
        self.process.kill()
        for group in self._groups:
            process.until(lambda group=group: _remove(group), _EMPTY_S_MAX, f"the end of {group}")


def _remove(group):
    """True when the control group and those below it are gone."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except FileNotFoundError:
        return not os.path.exists(group)
    except OSError:
        return False  # Not all processes have ended.
    return True
