"""Whoever watches a folder: the kernel's own in bare loops, other tools, and Closewrite.

Each has the same life: start(), ready to see files when it returns; wait() for files; series(),
what it saw and when; stop(). None of them lives longer than the process that made it.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time

from bench import measure, rig
from hosts import process

_READY_S_MAX = 600.0
_SEES_S_MAX = 30.0
_ALL_S_MAX = 120.0
_STOP_S_MAX = 60.0
_IDLE_S = 0.3

# In every name that a benchmark writes, and in no other.
MARK = "cw-"
_CANARY = MARK + "ready-"

_PIPELINE = f"""\
pipelines:
  - name: everything
    on: {{volume: {rig.VOLUME}, match: ["**"], when: close_write}}
    run: {{command: ["true"]}}
"""


def end(popen):
    """SIGTERM, and waits."""
    if popen.poll() is None:
        popen.terminate()
    popen.wait(_STOP_S_MAX)


def until_idle(pid):
    """Waits until a process has not worked for a moment."""
    used = None
    while used != (used := measure.cpu_seconds(pid)):
        time.sleep(_IDLE_S)


class Blind(Exception):
    """A tool does not see files here."""


class Contender:
    """Of one run: `root` is watched, `folder` is for what it keeps."""

    name = ""
    reference = False  # what others are compared with

    def __init__(self, programs, root, folder):
        self.programs = programs
        self.root = root
        self.folder = folder
        self.started = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _spawn(self, label, args, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        popen = subprocess.Popen(args, preexec_fn=process.die_with_parent, **options)
        self.started[label] = popen
        return popen

    def start(self):
        """Starts it, and waits until it would see a file."""
        raise NotImplementedError

    def pid(self):
        """Of the process that watches."""
        return self.started["watcher"].pid

    def wait(self, files):
        """Waits until it has seen so many files, or gives up. Returns when, in nanoseconds."""
        raise NotImplementedError

    def series(self):
        """{name of a series: {file's name: nanoseconds}}; ends what has to be ended for it."""
        raise NotImplementedError

    def stop(self):
        """Ends all of it. May be called any number of times."""
        for popen in self.started.values():
            end(popen)


class Recorder(Contender):
    """One whose sights a program of ours records."""

    records = None

    def wait(self, files):
        try:
            process.until(lambda: measure.count(self.records) >= files, _ALL_S_MAX,
                          f"{self.name} saw {files} files")
        except TimeoutError:
            pass  # What it lost is said in the table.

    def series(self):
        self.stop()
        seen = {}
        for when, text in measure.read_records(self.records):
            for name in self.names(text):
                seen.setdefault(name, when)
        return {self.name: seen}

    @staticmethod
    def names(text):
        """Names of files in one record."""
        return (text.rpartition(b"/")[2],)


class Loop(Recorder):
    """A bare loop of ours. Subclasses say which."""

    program = "inotify_loop"
    pause_us = 0

    def start(self):
        self.records = os.path.join(self.folder, "records")
        popen = self._spawn("watcher", [os.path.join(self.programs, self.program), self.root,
                                        self.records, str(self.pause_us)],
                            stdout=subprocess.PIPE)
        if not popen.stdout.readline().startswith(b"ready"):
            raise RuntimeError(f"{self.name} can't watch {self.root}")


class InotifyLoop(Loop):
    """read(), record."""

    name = "inotify loop"
    reference = True


class GatheringLoop(Loop):
    """Lets events gather after it was woken up, which spares it and the writers wake-ups."""

    name = "inotify loop, gathers 0.5 ms"
    pause_us = 500


class FanotifyLoop(Loop):
    """One mark for the whole file system."""

    name = "fanotify loop"
    program = "fanotify_loop"


class Piped(Recorder):
    """A tool that prints a line a file."""

    def _pipe(self, args, wanted=MARK, **options):
        self.records = os.path.join(self.folder, "records")
        popen = self._spawn("watcher", args, stdout=subprocess.PIPE, **options)
        self._spawn("reader", [os.path.join(self.programs, "stamp_lines"), self.records, wanted],
                    stdin=popen.stdout)
        popen.stdout.close()

    def _until_it_sees(self):
        made = []

        def seen():
            path = os.path.join(self.root, f"{_CANARY}{len(made)}")
            with open(path, "wb") as file:
                file.write(b"x")
            made.append(path)
            return measure.count(self.records) > 0
        try:
            process.until(seen, _SEES_S_MAX, f"{self.name} sees a file")
        except TimeoutError as error:
            raise Blind(str(error)) from error
        for path in made:
            os.unlink(path)

    def stop(self):
        # The reader goes on to the end of what was printed.
        for label in ("watcher", "server"):
            if label in self.started:
                end(self.started[label])
        for popen in self.started.values():
            popen.wait(_STOP_S_MAX)


class Inotifywait(Piped):
    """inotify-tools."""

    name = "inotifywait -m -r"

    def start(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self._pipe(["inotifywait", "--monitor", "--recursive", "--format", "%f", "--event",
                        "close_write", "--event", "moved_to", self.root], stderr=log)
        process.until(self._established, _READY_S_MAX, "inotifywait watches")

    def _established(self):
        with open(os.path.join(self.folder, "log"), "rb") as log:
            return b"established" in log.read()


class Fatrace(Piped):
    """fanotify; lines of the whole file system, of which those with our names are kept."""

    name = "fatrace -f W"

    def start(self):
        # It watches the mount of its working directory.
        self._pipe(["fatrace", "--current-mount", "--filter=W"], wanted=self.root, cwd=self.root)
        self._until_it_sees()


    @staticmethod
    def names(text):
        # `writer(71): CWO /path`: what happened to one file in a row is one line.
        return (text.rpartition(b"/")[2],) if b"): CW" in text else ()


class Watchman(Piped):
    """Tells of a folder when it has been quiet for a moment."""

    name = "watchman"

    def start(self):
        # It wants a folder of its own that nobody else may write to, and a short path to it.
        self._private = tempfile.mkdtemp(prefix="closewrite-watchman-")
        sock = os.path.join(self._private, "sock")
        own = ["watchman", f"--sockname={sock}"]
        self._spawn("server", [*own, "--foreground", "--no-save-state",
                               f"--logfile={self._private}/log", f"--pidfile={self._private}/pid"],
                    stdout=subprocess.DEVNULL, env={**os.environ, "HOME": self._private})
        process.until(lambda: os.path.exists(sock), _READY_S_MAX, "watchman serves")
        subprocess.run([*own, "--no-spawn", "watch", self.root], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=_READY_S_MAX)
        asked = json.dumps(["subscribe", self.root, "bench",
                            {"expression": ["type", "f"], "fields": ["name"]}])
        read, write = os.pipe()
        os.write(write, asked.encode() + b"\n")
        os.close(write)
        self._pipe([*own, "--no-spawn", "--no-pretty", "--persistent", "--json-command"],
                   stdin=read)
        os.close(read)
        self._until_it_sees()

    def pid(self):
        return self.started["server"].pid

    def wait(self, files):
        # It may tell of a file more than once.
        super().wait(files)
        until_idle(self.pid())

    @staticmethod
    def names(text):
        return [os.fsencode(name).rpartition(b"/")[2]
                for name in json.loads(text).get("files", ())]

    def stop(self):
        super().stop()
        shutil.rmtree(self._private, ignore_errors=True)


class Closewrite(Contender):
    """The watcher with a coordinator beside it; a pipeline makes a job of every file.

    Three series: when the watcher judged the file (it is in the ledger with the end of that turn),
    when the coordinator took it up, and when the record was read from `closewrite events -f`, which
    tells of it after the commit: its own way to us is included.
    """

    name = "closewrite"
    with_stream = False

    def __init__(self, programs, root, folder):
        super().__init__(programs, root, folder)
        self.rig = rig.Rig(folder, root)
        self._before = 0
        self._stream = os.path.join(folder, "records")

    def start(self):
        self.rig.start_coordinator()
        self.rig.start_watcher()
        self.rig.until_live()
        self.rig.apply(_PIPELINE)
        self._before = self.rig.newest_event()
        if self.with_stream:
            follow = self._spawn("stream", self.rig.cli("events", "--volume", rig.VOLUME, "-f",
                                                        "--limit", "1", "-o", "json"),
                                 stdout=subprocess.PIPE)
            self._spawn("reader", [os.path.join(self.programs, "stamp_lines"), self._stream, MARK],
                        stdin=follow.stdout)
            follow.stdout.close()
            self._until_it_streams()

    def _until_it_streams(self):
        made = []

        def seen():
            path = os.path.join(self.root, f"{_CANARY}{len(made)}")
            with open(path, "wb") as file:
                file.write(b"x")
            made.append(path)
            return measure.count(self._stream) > 0
        process.until(seen, _SEES_S_MAX, "events are streamed")
        self.rig.until_recorded(self._before + len(made))
        self._before = self.rig.newest_event()

    def pid(self):
        return self.rig.watcher.pid

    def wait(self, files):
        return self.rig.until_recorded(self._before + files)

    def series(self):
        events = self.rig.events()
        found = {"closewrite: in the ledger": {name: at for name, (at, _) in events.items()},
                 "closewrite: at the coordinator": {name: at for name, (_, at) in events.items()}}
        if self.with_stream:
            end(self.started["stream"])
            self.started["reader"].wait(_STOP_S_MAX)
            found["closewrite: durable, as streamed"] = {
                json.loads(text)["event"]["file"]["path"].rpartition("/")[2].encode(): when
                for when, text in measure.read_records(self._stream)}
        return found

    def stop(self):
        super().stop()
        self.rig.__exit__()
        self.started.clear()


class ClosewriteStreamed(Closewrite):
    """With a reader of its stream."""

    with_stream = True


class ClosewriteAlone(Closewrite):
    """The watcher while its coordinator is away: what it costs beside a coordinator elsewhere."""

    name = "closewrite, coordinator away"

    def start(self):
        super().start()
        self.rig.coordinator.kill()

    def wait(self, files):
        # What it has judged so far, nobody but itself knows.
        until_idle(self.pid())
        return None

    def series(self):
        self.rig.start_coordinator()
        self.rig.until_live()
        events = self.rig.events()
        return {"closewrite: in the ledger": {name: at for name, (at, _) in events.items()}}
