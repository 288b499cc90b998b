#!/usr/bin/python3
"""A command that prints much.

  chatter.py MEBIBYTES

Numbered lines of 1000 bytes that end in all byte values but the newline; each third one goes to
stderr.
"""

import os
import sys

_LINES_AT_ONCE = 64
_BYTES = bytes(value for value in range(256) if value != 10)


def line(number):
    """One of them."""
    return (b"line %d " % number).ljust(999 - len(_BYTES), b".") + _BYTES + b"\n"


def write_all(stream, data):
    """All of it, however much a pipe takes."""
    while data:
        data = data[os.write(stream, data):]


def main():
    """Prints them."""
    lines = int(sys.argv[1]) * 1024 * 1024 // 1000
    for first in range(0, lines, _LINES_AT_ONCE):
        numbers = range(first, min(lines, first + _LINES_AT_ONCE))
        write_all(1, b"".join(line(number) for number in numbers if number % 3))
        write_all(2, b"".join(line(number) for number in numbers if number % 3 == 0))


if __name__ == "__main__":
    main()
