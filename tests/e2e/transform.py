#!/usr/bin/python3
"""The command of the tests: checks its input against the input's name, then works on it slowly.

  transform.py INPUT OUTPUT [SECONDS_MAX]

The name starts with the first 16 hexadecimal digits of the content's SHA-256, so that an input that
is short, old or of somebody else is noticed whatever else fails (exit code 9).
"""

import hashlib
import os
import random
import sys
import time

_PIECES = 4


def transformed(content):
    """What a result has to hold."""
    return content[::-1] + b"\n" + hashlib.sha256(content).hexdigest().encode() + b"\n"


def main(source, target, seconds_max):
    """Returns the exit code."""
    with open(source, "rb") as file:
        content = file.read()
    wanted = os.path.basename(os.fsencode(source))[:16]
    if hashlib.sha256(content).hexdigest()[:16].encode() != wanted:
        print(f"WRONG INPUT of {len(content)} bytes", flush=True)
        return 9
    result = transformed(content)
    step = len(result) // _PIECES + 1
    with open(target, "wb") as file:
        for begin in range(0, len(result), step):
            file.write(result[begin:begin + step])
            file.flush()
            # This stands for work: it leaves time to be killed with half a result.
            time.sleep(random.uniform(0, seconds_max / _PIECES))
    print(f"{len(content)} bytes", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0))
