#!/usr/bin/python3
"""A command of the tests: INPUT OUTPUT SIGHTS notes what it saw in INPUT, and what is wrong."""

import json
import os
import sys


def look(path):
    """What lies at `path`: {name, version, length, problem}."""
    sight = {"name": "", "version": 0, "length": -1, "problem": ""}
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        return {**sight, "problem": f"can't be read: {error}"}
    words = content.decode(errors="replace").split(" ")
    sight["length"] = len(content)
    if len(words) != 4 or words[3] != f"{len(content):08d}":
        return {**sight, "problem": f"short or torn: ends with {content[-20:]!r}"}
    sight.update(name=words[0], version=int(words[1]))
    if not path.endswith("/" + words[0]):
        sight["problem"] = f"{path} holds {words[0]}"
    return sight


if __name__ == "__main__":
    seen = {"job": int(os.environ["CLOSEWRITE_JOB"]), **look(sys.argv[1])}
    line = json.dumps(seen) + "\n"
    with open(sys.argv[3], "a", encoding="utf-8") as sights:
        sights.write(line)
    with open(sys.argv[2], "w", encoding="utf-8") as result:
        result.write(line)
    sys.exit(9 if seen["problem"] else 0)
