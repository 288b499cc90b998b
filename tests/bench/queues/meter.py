"""What a measurement costs the server, and how much of the machine others took meanwhile."""

import os
import resource
import time

from hosts import process

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Of the machine's CPU time; a run during which others took more counts only where none is quieter.
STRANGERS_MAX = 0.2
_QUIET_S = 1.0


def _fields(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def tree_cpu_s(pid):
    """CPU seconds of a process, of its children that have ended, and of those that live."""
    try:
        used = sum(int(field) for field in _fields(pid)[11:15]) / _TICKS_PER_S
    except OSError:
        return 0.0
    return used + sum(tree_cpu_s(child) for child in process.children(pid))


def resident_bytes(pid):
    """Resident memory of a process, without that of its children."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no memory")


def disk_bytes(folder):
    """What the files below a folder take on the disk."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
            except FileNotFoundError:
                continue  # It has been removed meanwhile.
    return total


def _machine_s():
    """CPU seconds that were used on this machine, by anybody."""
    with open("/proc/stat", "rb") as file:
        user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / _TICKS_PER_S


def _own_s():
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def await_quiet(seconds_max):
    """Waits until others leave the machine alone for a second, at most so long."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        with Meter([]) as idle:
            time.sleep(_QUIET_S)
        if idle.strangers <= STRANGERS_MAX:
            return


class Meter:
    """Measures what happens in its `with`, in which all clients have to end. `beside` are servers
    that are no strangers, and not what is measured.
    """

    def __init__(self, server_pids, beside=()):
        self._pids = server_pids
        self._beside = beside
        self._before = None
        self.server_cpu_s = 0.0
        self.beside_cpu_s = 0.0
        self.strangers = 0.0  # part of the machine's CPU time

    def __enter__(self):
        self._before = (time.monotonic(), _machine_s(), _own_s(), _trees_s(self._pids),
                        _trees_s(self._beside))
        return self

    def __exit__(self, *_):
        began, machine, own, server, beside = self._before
        seconds = (time.monotonic() - began) * os.cpu_count()
        self.server_cpu_s = _trees_s(self._pids) - server
        self.beside_cpu_s = _trees_s(self._beside) - beside
        others = (_machine_s() - machine - (_own_s() - own) - self.server_cpu_s
                  - self.beside_cpu_s)
        self.strangers = min(1.0, max(0.0, others / seconds)) if seconds > 0 else 0.0


def _trees_s(pids):
    return sum(tree_cpu_s(pid) for pid in pids)
