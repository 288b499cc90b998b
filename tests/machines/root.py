"""The file system of a fresh Debian 12 machine, made once for each list of packages."""

import hashlib
import os
import subprocess

from runner import cache

_SUITE = "bookworm"
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
_MAKE_S_MAX = 900
# A machine that boots, can be logged into, and mounts folders of others.
_BASE = ("dbus", "iproute2", "netbase", "openssh-client", "openssh-server", "procps", "sshfs",
         "systemd-sysv")


def make(packages):
    """Folder with a minimal Debian that has `packages` beside what a machine needs. It is shared:
    never write into it."""
    wanted = sorted({*_BASE, *packages})
    digest = hashlib.sha256(" ".join([_SUITE, *wanted]).encode()).hexdigest()[:16]
    return _tree(cache.filled(f"machine-{digest}", lambda path: _bootstrap(wanted, _tree(path))))


def _tree(folder):
    return os.path.join(folder, "root")


def _bootstrap(packages, tree):
    subprocess.run(["rm", "-rf", "--one-file-system", tree], check=True)
    sources = [path for path in _SOURCES if os.path.exists(path) and os.path.getsize(path) > 0][:1]
    # With mounts of its own: mmdebstrap mounts /dev, /proc and /sys there, and one that is killed
    # leaves them, to be found by whoever removes the tree.
    done = subprocess.run(
        ["unshare", "--mount", "mmdebstrap", "--variant=minbase",
         f"--include={','.join(packages)}", _SUITE, tree, *sources], check=False,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=_MAKE_S_MAX)
    if done.returncode != 0:
        raise RuntimeError("mmdebstrap: " + done.stderr.decode(errors="replace")[-2000:])
