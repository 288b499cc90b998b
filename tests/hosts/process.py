"""A program that runs on a host, and what a test does to it: kill, freeze, thaw."""

import ctypes
import os
import signal
import subprocess
import time

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True)

# How long a child may take to appear, or to disappear after SIGKILL.
_SETTLE_S_MAX = 20.0
# How often nsenter is woken while its end is waited for.
_WAKE_S = 0.5


def die_with_parent():
    """For preexec_fn: the kernel kills this process when the one that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid):
    """Process ids of the children of a process; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def supervisors(folder):
    """Process ids of the supervisors of commands of all executors whose state lies below a folder,
    also of those that are dead."""
    found = []
    for name in os.listdir("/proc"):
        try:
            # Their state file, see supervisor_protocol.h.
            if name.isdigit() and _is_supervisor(name) and os.readlink(
                    f"/proc/{name}/fd/4").startswith(folder + "/"):
                found.append(int(name))
        except OSError:
            continue  # It has ended meanwhile.
    return found


def _is_supervisor(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
        return file.read() == "cw-supervisor\n"


def until(condition, seconds_max, what):
    """Polls `condition` of a foreign process until it is true; returns what it returned."""
    deadline = time.monotonic() + seconds_max
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds_max:g} s: {what}")
        time.sleep(0.02)


class Process:
    """A started program. `entered`: `popen` is nsenter, and the program is its only child."""

    def __init__(self, popen, log, entered):
        self.log = log
        self._popen = popen
        self._entered = entered
        self.pid = popen.pid
        if entered:
            until(lambda: children(popen.pid) or popen.poll() is not None, _SETTLE_S_MAX,
                  f"start of {popen.args}")
            self.pid = next(iter(children(popen.pid)), None)

    def alive(self):
        """True until the program has ended."""
        return self._popen.poll() is None

    def exit_code(self):
        """Exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def send(self, number):
        """Sends a signal to the program itself."""
        if self.pid is not None and self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def freeze(self):
        """Stops the program as a suspended machine would."""
        self.send(signal.SIGSTOP)

    def thaw(self):
        """Lets a frozen program go on."""
        self.send(signal.SIGCONT)
        self._wake()

    def _wake(self):
        """nsenter stops itself together with its child, and would not notice the child's end."""
        if self._entered and self.alive():
            os.kill(self._popen.pid, signal.SIGCONT)

    def kill(self):
        """SIGKILL, and waits until the program is gone. Returns its exit code."""
        self.send(signal.SIGKILL)
        return self.wait(_SETTLE_S_MAX)

    def terminate(self, seconds_max):
        """SIGTERM, and waits until the program is gone. Returns its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(seconds_max)

    def wait(self, seconds_max):
        """Waits until the program has ended. Returns its exit code."""
        deadline = time.monotonic() + seconds_max
        while True:
            # Again and again: it may be about to stop itself.
            self._wake()
            try:
                return self._popen.wait(max(0.0, min(_WAKE_S, deadline - time.monotonic())))
            except subprocess.TimeoutExpired as error:
                if time.monotonic() >= deadline:
                    raise TimeoutError(
                        f"pid {self.pid} has not ended; its log is {self.log}") from error

    def read_log(self):
        """All that the program has written to its log, as bytes."""
        with open(self.log, "rb") as file:
            return file.read()
