"""Tools from npm, installed once per package.json outside the repository."""

import functools
import hashlib
import os
import shutil
import subprocess

from runner import cache
from style import source

_INSTALL_S_MAX = 600
_FOLDER = os.path.join(source.ROOT, "tests")


@functools.lru_cache(maxsize=None)
def _modules():
    """(folder, why it could not be filled); asked for once, since npm tries for minutes."""
    try:
        # Peers that are needed are listed themselves; one that is not has 160 MB.
        return install(_FOLDER, "--legacy-peer-deps"), None
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return None, str(error)


def modules():
    """Folder `node_modules` with what tests/package.json pins; installed when it is missing."""
    folder, problem = _modules()
    if problem is not None:
        raise RuntimeError(problem)
    return folder


def install(package, *flags):
    """Folder `node_modules` with what the `package.json` in that folder pins, filled once. Raises
    RuntimeError with npm's words."""
    path = os.path.join(package, "package.json")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]

    def fill(folder):
        shutil.copy(path, folder)
        done = subprocess.run(
            ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error",
             *flags], cwd=folder, check=False, timeout=_INSTALL_S_MAX, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise RuntimeError(f"npm install of {path} failed: "
                               + done.stdout.decode(errors="replace").strip())

    return os.path.join(cache.filled(f"npm-{digest}", fill), "node_modules")


def tool(name):
    """Path of a program from npm."""
    return os.path.join(modules(), ".bin", name)
