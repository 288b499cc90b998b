"""Restarts over a large tree that did not change: nothing is announced again."""

import os
import shutil
import subprocess
import sys
import time

_TESTS = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
if _TESTS not in sys.path:  # Its own makers run this file as a program.
    sys.dont_write_bytecode = True
    sys.path.insert(0, _TESTS)

from hosts import process  # pylint: disable=wrong-import-position
from storm import rig as rigs, verdict  # pylint: disable=wrong-import-position

FILES_A_FOLDER = 10
_FOLDERS_A_BRANCH = 100
_MAKERS = 2
_MAKE_S_MAX = 1800.0


def make(root, first, count):
    """Makes the directories number `first` to `first + count`, with 10 files each."""
    for number in range(first, first + count):
        path = os.path.join(root, f"branch{number // _FOLDERS_A_BRANCH}", f"folder{number}")
        os.makedirs(path)
        for name in range(FILES_A_FOLDER):
            fd = os.open(f"{path}/file{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.ftruncate(fd, number % 1000)  # A size without blocks.
            os.close(fd)


def _make_all(root, folders):
    share = -(-folders // _MAKERS // _FOLDERS_A_BRANCH) * _FOLDERS_A_BRANCH
    makers = [subprocess.Popen(
        ["/usr/bin/python3", os.path.realpath(__file__), root, str(first),
         str(min(share, folders - first))], preexec_fn=process.die_with_parent)
        for first in range(0, folders, share)]
    for each in makers:
        if each.wait(_MAKE_S_MAX) != 0:
            raise RuntimeError("the tree could not be made")


def warm(folder, files, backend=None):
    """Announces a tree of `files` files once, restarts twice. Returns numbers for people;
    verdict.Wrong."""
    with rigs.Rig(folder, backend) as rig, verdict.kept(rig, "warm"):
        _make_all(rig.volume, files // FILES_A_FOLDER)
        rig.start_coordinator()
        numbers = {"files": files, "first_live_s": _start(rig)}
        rig.flush()
        before = rig.newest_event()
        if before != files:
            raise verdict.Wrong(f"{before} events of {files} files")
        rig.watcher.terminate(60.0)
        numbers["live_after_stop_s"] = _restart(rig, before)
        rig.watcher.kill()
        numbers["live_after_kill_s"] = _restart(rig, before)
        numbers["watcher_rss_mb"] = _rss_mb(rig.watcher.pid)
        rig.stop()
        shutil.rmtree(rig.volume)
        return numbers


def _start(rig):
    """Starts the watcher. Returns the seconds until it is live."""
    seen = len(rig.watcher.read_log()) if rig.watcher else 0
    started = time.monotonic()
    rig.start_watcher()
    process.until(lambda: b"volume live" in rig.watcher.read_log()[seen:], 1800.0, "volume live")
    return round(time.monotonic() - started, 2)


def _restart(rig, events_before):
    took = _start(rig)
    rig.until_live()
    rig.flush()
    events = rig.newest_event()
    if events != events_before:
        raise verdict.Wrong(f"{events - events_before} events though nothing had happened")
    return took


def _rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
