#!/usr/bin/python3
"""A command of the tests: `leaves.py KIND OUTPUT_DIR OUTSIDE` leaves what is no file in its folder.

A good file lies beside it. OUTSIDE is a folder that is not the volume's.
"""

import os
import socket
import stat
import sys


def leave(kind, outside):
    """Makes it, here and under its own name; `good` makes nothing."""
    if kind in ("symlink", "relative"):
        os.symlink("/etc/passwd" if kind == "symlink" else os.path.relpath(outside), kind)
    elif kind == "folder":
        os.symlink(outside, kind)
    elif kind == "deep":
        os.makedirs("a/b")
        os.symlink("/etc/passwd", "a/b/deep")
    elif kind == "pipe":
        os.mkfifo(kind)
    elif kind == "socket":
        # By a short name: that of the folder may be longer than an address can be.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(kind)
    elif kind == "device":
        os.mknod(kind, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    elif kind == "hardlink":
        os.link(os.path.join(outside, "secret"), kind)


def main():
    """Leaves it."""
    kind, output, outside = sys.argv[1:]
    os.chdir(output)
    with open(f"beside-{kind}", "w", encoding="utf-8") as file:
        file.write(kind)
    leave(kind, outside)


if __name__ == "__main__":
    main()
