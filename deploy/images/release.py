"""What is built: version, commit and time, as the repository says them."""

import collections
import os
import re
import shutil
import subprocess

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
_VERSION_FILE = os.path.join(REPOSITORY, "services", "version", "version.h")
_VERSION = re.compile(r'kVersion = "([^"]+)"')
_PUBLIC_URL = re.compile(r"https://[^@\s]+")
LICENCE = "MIT"


class About(collections.namedtuple("About", "version revision epoch source")):
    """`epoch`: seconds since 1970 of the commit; `source`: a URL, or None."""

    @classmethod
    def of_commit(cls):
        """Of the commit that is checked out; SOURCE_DATE_EPOCH takes the place of its time."""
        with open(_VERSION_FILE, encoding="utf-8") as file:
            version = _VERSION.search(file.read()).group(1)
        revision = _git("rev-parse", "HEAD")
        if _git("status", "--porcelain", "--untracked-files=no"):
            revision += "-changed"
        epoch = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
        return cls(version, revision, int(epoch), _source())


def _git(*args):
    # safe.directory: root builds what a user has cloned.
    return subprocess.run(["git", "-c", f"safe.directory={REPOSITORY}", "-C", REPOSITORY, *args],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _source():
    """Where the commit was cloned from; None where that is no place that others can reach."""
    try:
        url = _git("config", "--get", "remote.origin.url")
    except subprocess.CalledProcessError:
        return None
    return url if _PUBLIC_URL.fullmatch(url) else None


def missing(tools):
    """Those packages of {program: package} whose program this machine lacks."""
    return [package for tool, package in tools.items() if shutil.which(tool) is None]
