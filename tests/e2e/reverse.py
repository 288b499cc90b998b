#!/usr/bin/python3
"""A command of the tests: INPUT OUTPUT ARGUMENT... writes the input reversed and the arguments."""

import os
import sys

from transform import transformed

with open(sys.argv[1], "rb") as source:
    result = transformed(source.read())
with open(sys.argv[2], "wb") as target:
    target.write(b"\0".join([result, *map(os.fsencode, sys.argv[3:])]))
