"""Builds fuzz targets with clang, beside Bazel: another compiler would empty its cache."""

import concurrent.futures
import fcntl
import hashlib
import os
import re
import subprocess

from fuzz import build_graph

PACKAGE = "tests/fuzz"

_COMPILER = "clang++"
# Indexes are checked too: a read past a view may lie in memory that is somebody else's.
_FLAGS = ("-std=c++20", "-O1", "-g", "-fno-omit-frame-pointer", "-D_GLIBCXX_ASSERTIONS",
          "-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize-recover=all")
_LINK_FLAGS = ("-fsanitize=fuzzer,address,undefined",)
_STEP_S_MAX = 600


def cache():
    """Folder of what is built and of the inputs that were found."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(base, "closewrite", "fuzz")
    os.makedirs(folder, exist_ok=True)
    return folder


def names():
    """Of all fuzz targets: `glob` stands for //tests/fuzz:glob_fuzz."""
    return [name[:-len("_fuzz")] for name in build_graph.targets(PACKAGE)
            if name.endswith("_fuzz")]


def build(wanted):
    """Name -> program. RuntimeError says what the compiler or the linker said."""
    digest = hashlib.sha256("\0".join((build_graph.ROOT, *_FLAGS)).encode()).hexdigest()[:16]
    folder = os.path.join(cache(), f"objects-{digest}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        parts = {name: build_graph.closure(f"//{PACKAGE}:{name}_fuzz") for name in wanted}
        sources = sorted({source for made_of, _ in parts.values() for source in made_of})
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(lambda source: _compile(folder, source), sources))
        return {name: _link(folder, name, *made_of) for name, made_of in parts.items()}


def _compile(folder, source):
    made = _object(folder, source)
    depends = made[:-len(".o")] + ".d"
    if not _fresh(made, depends):
        os.makedirs(os.path.dirname(made), exist_ok=True)
        _run([_COMPILER, *_FLAGS, "-I.", "-MD", "-MF", depends, "-c", source, "-o", made])


def _object(folder, source):
    return os.path.join(folder, source[:-len(".cc")] + ".o")


def _fresh(made, depends):
    """Whether it is newer than all that it was made of."""
    try:
        with open(depends, encoding="utf-8") as file:
            inputs = re.split(r"\s+", file.read().partition(": ")[2].replace("\\\n", " ").strip())
        age = os.stat(made).st_mtime_ns
        return all(os.stat(os.path.join(build_graph.ROOT, each)).st_mtime_ns < age
                   for each in inputs)
    except OSError:
        return False


def _link(folder, name, sources, packages):
    program = os.path.join(folder, f"{name}_fuzz")
    objects = [_object(folder, source) for source in sources]
    libraries = []
    if packages:
        libraries = _run(["pkg-config", "--libs", *packages]).split()
    _run([_COMPILER, *_LINK_FLAGS, "-o", program, *objects, *libraries])
    return program


def _run(args):
    done = subprocess.run(args, cwd=build_graph.ROOT, check=False, timeout=_STEP_S_MAX,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args[:1] + args[-3:])}:\n"
                           + done.stderr.decode(errors="replace"))
    return done.stdout.decode()
