#!/usr/bin/python3
"""A command of the tests: LOCK JOURNAL [SECONDS] says in JOURNAL when it begins and ends, and when
another one holds LOCK, which is what must never be."""

import fcntl
import os
import sys
import time


def note(path, word):
    """One line in one write, so that lines of several processes do not mix."""
    line = f"{word} {os.environ['CLOSEWRITE_JOB']} {os.getpid()} {time.time():.3f}\n"
    with open(path, "ab", buffering=0) as journal:
        journal.write(line.encode())


if __name__ == "__main__":
    with open(sys.argv[1], "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(sys.argv[2], "twice")
            sys.exit(9)
        note(sys.argv[2], "begin")
        print("alive", flush=True)
        time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 3600)
        note(sys.argv[2], "end")
