"""Debian packages of the programs under test, built once for each version."""

import functools
import glob
import os
import re
import subprocess

from hosts import fleet, run_folder

_BUILD = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "deploy", "debian",
                                       "build"))
_BUILD_S_MAX = 900
_KINDS = ("cli", "coordinator", "executor", "portal", "watcher")


@functools.lru_cache(maxsize=None)
def _folder():
    return run_folder.RunFolder("packages")


@functools.lru_cache(maxsize=None)
def build(version):
    """Folder with the packages, of this version, or of the repository's own where it is None."""
    return build_into(_folder().make(f"version-{version}"), version)


def build_into(output, version, **options):
    """Builds them anew. Returns `output`."""
    programs = _folder().make("programs")
    for kind in _KINDS:
        if not os.path.lexists(os.path.join(programs, kind)):
            os.symlink(fleet.program(kind), os.path.join(programs, kind))
    arguments = [] if version is None else ["--version", version]
    done = subprocess.run([_BUILD, "--programs", programs, *arguments, output],
                          check=False, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=_BUILD_S_MAX, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{_BUILD}: {done.stderr.decode(errors='replace')[-2000:]}")
    return output


def files(folder):
    """Paths of the packages in a folder, sorted."""
    return sorted(glob.glob(os.path.join(folder, "*.deb")))


def needed(folder):
    """Names of the packages of others that they depend on."""
    names = set()
    for path in files(folder):
        depends = subprocess.run(["dpkg-deb", "--field", path, "Depends"], check=True,
                                 capture_output=True, text=True).stdout
        names.update(re.split(r"[ |:]", each.strip())[0] for each in depends.split(","))
    return sorted(name for name in names if not name.startswith("closewrite"))
