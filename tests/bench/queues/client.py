"""Client processes: they print lines of JSON, and can be told something by their stdin."""

import json
import os
import selectors
import signal
import subprocess
import time

from hosts import process

_END_S_MAX = 60.0
_ERROR_BYTES = 2000


class ClientError(RuntimeError):
    """A client said that it can't, or said nothing."""


class Client:
    """A running client. Use it in a `with`; it is killed at the end. Not thread-safe."""

    def __init__(self, args, env=None):
        self._args = [str(arg) for arg in args]
        self._errors = None
        self._left = b""
        # Written to a file: nobody reads a pipe while the client works.
        self._errors = os.memfd_create("stderr")
        self._popen = subprocess.Popen(
            self._args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env=env, start_new_session=True, preexec_fn=process.die_with_parent)
        os.set_blocking(self._popen.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        """Its process id."""
        return self._popen.pid

    def close(self):
        """Kills it if it still runs. May be called any number of times."""
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait(_END_S_MAX)
        self._popen.stdin.close()
        self._popen.stdout.close()
        if self._errors is not None:
            os.close(self._errors)
            self._errors = None

    def send(self, number):
        """Sends a signal."""
        os.kill(self._popen.pid, number)

    def kill(self):
        """SIGKILL; does not wait."""
        self.send(signal.SIGKILL)

    def say(self, line):
        """Writes a line to its stdin."""
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def line(self, seconds_max):
        """The next line that it prints, without its end; ClientError when none comes."""
        deadline = time.monotonic() + seconds_max
        with selectors.DefaultSelector() as selector:
            selector.register(self._popen.stdout, selectors.EVENT_READ)
            while b"\n" not in self._left:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ClientError(f"{self._what()} says nothing for {seconds_max:g} s")
                part = os.read(self._popen.stdout.fileno(), 1 << 16)
                if not part:
                    raise ClientError(f"{self._what()} has ended: {self._stderr()}")
                self._left += part
        line, _, self._left = self._left.partition(b"\n")
        return line.decode(errors="replace")

    def numbers(self, seconds_max):
        """The next line that is JSON. What carries an `error` raises ClientError."""
        line = self.line(seconds_max)
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ClientError(f"{self._what()} says {line!r}") from error
        if isinstance(found, dict) and found.get("error"):
            raise ClientError(f"{self._what()}: {found['error']}")
        return found

    def last(self, seconds_max):
        """numbers() of its last line; waits until it has ended."""
        found = self.numbers(seconds_max)
        self.end()
        return found

    def end(self):
        """Waits until it has ended by itself."""
        self._popen.stdin.close()
        try:
            self._popen.wait(_END_S_MAX)
        except subprocess.TimeoutExpired as error:
            raise ClientError(f"{self._what()} does not end") from error
        if self._popen.returncode != 0:
            raise ClientError(f"{self._what()} failed: {self._stderr()}")

    def _what(self):
        return " ".join(os.path.basename(arg) for arg in self._args[:4])

    def _stderr(self):
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, _ERROR_BYTES, max(0, size - _ERROR_BYTES))
        return text.decode(errors="replace").strip() or "it said nothing"


def started(args, seconds_max, env=None):
    """A client that has printed its first line, which says that it is ready."""
    client = Client(args, env)
    try:
        line = client.line(seconds_max)
        if '"error"' in line:
            raise ClientError(line)
    except BaseException:
        client.close()
        raise
    return client


def run(args, seconds_max, env=None):
    """Runs a client to its end. Returns the numbers of its last line."""
    return run_lines(args, seconds_max, 1, env)[0]


def run_lines(args, seconds_max, count, env=None):
    """Runs a client that prints `count` lines of numbers."""
    with Client(args, env) as client:
        found = [client.numbers(seconds_max) for _ in range(count)]
        client.end()
        return found
