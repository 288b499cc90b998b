"""The programs that a benchmark runs: its own in C, and Closewrite's, optimised."""

import os
import shutil
import subprocess

from hosts import fleet

_HERE = os.path.dirname(os.path.realpath(__file__))
_ROOT = os.path.realpath(os.path.join(_HERE, "..", ".."))
_BUILD_S_MAX = 3600
_COMPILE_S_MAX = 120
# `stamp` is a job's command: what the dynamic linker takes would not be ours to answer for.
_OWN = {"writer": (), "inotify_loop": (), "fanotify_loop": (), "stamp_lines": (), "tree": (),
        "stamp": ("-static",)}
_TARGETS = {"watcher": "//services/watcher:closewrite-watcher",
            "coordinator": "//services/coordinator:closewrite-coordinator",
            "executor": "//services/executor:closewrite-executor",
            "cli": "//services/cli:closewrite"}


def compile_own(folder):
    """Compiles the C programs into a folder."""
    for name, flags in _OWN.items():
        subprocess.run(["gcc", "-O2", "-Wall", *flags, "-o", os.path.join(folder, name),
                        os.path.join(_HERE, f"{name}.c"), os.path.join(_HERE, "record.c")],
                       check=True, timeout=_COMPILE_S_MAX, stdin=subprocess.DEVNULL)


def build_product(folder):
    """Builds Closewrite optimised and makes hosts.fleet take it from `folder`."""
    build_into(folder, _ROOT, options=["--config=opt"])
    os.environ["CLOSEWRITE_TEST_PROGRAMS"] = folder


def build_into(folder, tree, startup=(), options=()):
    """Builds the programs of a work tree, and copies them into a folder under the names that
    hosts.fleet takes them by. `startup`: flags of Bazel itself, `options`: of its build.

    Bazel's own links stay as they are, for those who work beside.
    """
    links = os.path.join(folder, "bazel-")
    subprocess.run(["bazel", *startup, "build", *options, f"--symlink_prefix={links}",
                    *_TARGETS.values()], cwd=tree, check=True, timeout=_BUILD_S_MAX,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for name, target in _TARGETS.items():
        package, _, program = target[2:].partition(":")
        shutil.copy(os.path.join(links + "bin", package, program), os.path.join(folder, name))


def product():
    """One line: which programs of Closewrite are run."""
    return os.path.dirname(fleet.program("watcher"))
