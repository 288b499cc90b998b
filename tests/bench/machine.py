"""Facts of this machine that the numbers hang on, and the floors below which nothing can be."""

import os
import platform
import subprocess
import time

from bench import measure

_SYNCS = 100
_SYNC_PAUSE_S = 0.02  # As long as a disk is left alone between two files of the idle load.


def file_system(path):
    """Type of the file system that a folder lies on."""
    done = subprocess.run(["stat", "--file-system", "--format=%T", path], check=True,
                          capture_output=True)
    return done.stdout.decode().strip().replace("ext2/ext3", "ext4")


def sync_us(folder, pause_s=_SYNC_PAUSE_S):
    """Median microseconds of fdatasync after 4 KiB were appended; hot when there is no pause."""
    path = os.path.join(folder, "sync-floor")
    taken = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(_SYNCS):
            os.write(fd, bytes(4096))
            before = time.monotonic_ns()
            os.fdatasync(fd)
            taken.append((time.monotonic_ns() - before) / 1000)
            time.sleep(pause_s)
    finally:
        os.close(fd)
        os.unlink(path)
    return measure.median(taken)


def facts(folder):
    """Lines about this machine."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // (1 << 20)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], check=False,
                              cwd=os.path.dirname(__file__), capture_output=True).stdout.decode()
    return "\n".join([
        f"* Linux {platform.release()}, {os.cpu_count()} cores, {memory} GiB, {system}; "
        f"{file_system(folder)}; load {os.getloadavg()[0]:.1f} at the start",
        f"* Closewrite {revision.strip() or 'unknown'}",
        f"* floor: fdatasync of 4 KiB {sync_us(folder, 0):.0f} us hot, "
        f"{sync_us(folder):.0f} us from idle",
        "* every contender runs alone, in an order that rotates; values are medians of the runs",
        ""])
