"""The files of the repository, and how to read C++ without its comments."""

import collections
import os
import re
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

# What a rule found: message says what would be right.
Finding = collections.namedtuple("Finding", "path line message")

_CPP_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)"'
    r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.DOTALL)


class File:
    """One file: `path` relative to the repository, `text`, and what kind it is."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.name = os.path.basename(path)
        self.extension = os.path.splitext(path)[1]

    @property
    def cpp(self):
        """C++ of any kind."""
        return self.extension in (".cc", ".h")

    @property
    def python(self):
        """Python, with or without extension."""
        return self.extension == ".py" or self._runs_with("/usr/bin/python3")

    @property
    def shell(self):
        """Shell scripts."""
        return self.extension == ".sh" or self._runs_with("/bin/bash") or self._runs_with("/bin/sh")

    @property
    def starlark(self):
        """What Bazel reads."""
        return self.extension == ".bzl" or self.name in ("BUILD", "WORKSPACE")

    @property
    def code(self):
        """Written by hand, in a language."""
        return (self.cpp or self.python or self.shell or self.starlark
                or self.extension in (".proto", ".js"))

    def lines(self):
        """(number from 1, line)."""
        return enumerate(self.text.split("\n"), 1)

    def finding(self, line, message):
        """A finding in this file."""
        return Finding(self.path, line, message)

    def _runs_with(self, program):
        return self.text.startswith("#!" + program)


def files():
    """All files that git knows or would add, that are text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
        check=True, capture_output=True).stdout
    found = []
    for path in sorted(os.fsdecode(name) for name in set(listed.split(b"\0")) if name):
        full = os.path.join(ROOT, path)
        if os.path.isfile(full) and not os.path.islink(full):
            with open(full, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if "\0" not in text:
                found.append(File(path, text))
    return found


def without_comments(text):
    """C++ with comments, strings and characters blanked; lines stay where they are."""
    return _CPP_TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
