"""The clients of the benchmark: those in C, which gcc compiles, and ours, which Bazel builds."""

import os
import shutil
import subprocess

from hosts import fleet

_HERE = os.path.dirname(os.path.realpath(__file__))
_ROOT = os.path.realpath(os.path.join(_HERE, "..", "..", ".."))
_BUILD_S_MAX = 3600
_COMPILE_S_MAX = 120
_C = {"floor": ("-lsqlite3",), "beanstalk_client": (),
      "postgres_client": ("-I/usr/include/postgresql", "-lpq", "-lpthread"), "hold": ("-static",)}
_PRODUCT = {"coordinator": "//services/coordinator:closewrite-coordinator",
            "executor": "//services/executor:closewrite-executor"}
_CLIENT = "//tests/bench/queues:queue_client"
# Of all programs only this one is no service; see hosts.fleet.program().
_CLIENT_PATH = ("tests", "bench", "queues", "queue_client")


class Programs:
    """Paths of programs in a folder of this run."""

    def __init__(self, folder):
        self._folder = folder

    def path(self, name):
        """Path of a client, by the name of its source."""
        return os.path.join(self._folder, name)

    def compile(self, names):
        """Compiles clients in C."""
        for name in names:
            subprocess.run(["gcc", "-O2", "-Wall", "-o", self.path(name),
                            os.path.join(_HERE, f"{name}.c"), os.path.join(_HERE, "sample.c"),
                            *_C[name]], check=True, timeout=_COMPILE_S_MAX,
                           stdin=subprocess.DEVNULL)

    def build(self, product=True):
        """Builds our client, and the services unless they are given, optimised.

        Bazel's own links stay as they are, for those who work beside.
        """
        links = os.path.join(self._folder, "bazel-")
        targets = [_CLIENT, *(_PRODUCT.values() if product else ())]
        subprocess.run(["bazel", "build", "--config=opt", f"--symlink_prefix={links}", *targets],
                       cwd=_ROOT, check=True, timeout=_BUILD_S_MAX, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        shutil.copy(os.path.join(links + "bin", *_CLIENT_PATH), self.path("queue_client"))
        if product:
            for name, target in _PRODUCT.items():
                package, _, program = target[2:].partition(":")
                shutil.copy(os.path.join(links + "bin", package, program), self.path(name))
            os.environ["CLOSEWRITE_TEST_PROGRAMS"] = self._folder

    def take_built(self):
        """Takes our client as it is built already."""
        found = os.path.join(_ROOT, "bazel-bin", *_CLIENT_PATH)
        if not os.path.exists(found):
            raise RuntimeError(f"{_CLIENT} is not built; run bazel build //...")
        shutil.copy(found, self.path("queue_client"))


def has_executor():
    """Whether there is an executor among the programs that are measured."""
    return os.access(fleet.program("executor"), os.X_OK)
