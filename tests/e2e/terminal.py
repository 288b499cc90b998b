"""A program on a terminal of its own: what a person at a keyboard sees and does."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

_READ_BYTES = 65536
_EXPECT_S_MAX = 60.0
# Escape sequences of ECMA-48: those that a test does not look at.
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")


class Terminal:
    """Runs `argv` on a new pseudo-terminal. Close it."""

    def __init__(self, argv, columns=120, rows=40):
        self._seen = b""  # all that was printed
        self._code = None
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            try:
                os.environ["TERM"] = "xterm-256color"
                os.environ.pop("NO_COLOR", None)
                os.execv(argv[0], argv)
            finally:
                os._exit(127)
        self.resize(columns, rows)

    def resize(self, columns, rows):
        """Makes it as large as that."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        """Presses keys; "\\x03" is Ctrl-C."""
        os.write(self._master, keys.encode())

    @property
    def raw(self):
        """All that was printed, escape sequences and all."""
        return self._seen

    @property
    def text(self):
        """The same without escape sequences."""
        return _ESCAPES.sub(b"", self._seen).decode(errors="replace")

    def expect(self, pattern, seconds_max=_EXPECT_S_MAX):
        """Waits until the text matches; returns the match."""
        deadline = time.monotonic() + seconds_max
        while True:
            found = re.search(pattern, self.text)
            if found:
                return found
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} not in:\n{self.text[-3000:]}")

    def wait(self, seconds_max=_EXPECT_S_MAX):
        """Waits for its end; returns the exit code, or 128 and the signal."""
        deadline = time.monotonic() + seconds_max
        while self._code is None:
            if not self._read(min(0.1, deadline - time.monotonic())):
                done, status = os.waitpid(self._pid, os.WNOHANG)
                if done:
                    code = os.waitstatus_to_exitcode(status)
                    self._code = code if code >= 0 else 128 - code
                elif time.monotonic() > deadline:
                    raise AssertionError(f"it has not ended:\n{self.text[-3000:]}")
        return self._code

    def close(self):
        """Kills it if it still runs."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._code = 128 + signal.SIGKILL
        os.close(self._master)

    def _read(self, seconds):
        """False when nothing came for so long, or nothing will."""
        if seconds <= 0 or not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._master, _READ_BYTES)
        except OSError:  # EIO: the program has ended
            data = b""
        self._seen += data
        return bool(data)
