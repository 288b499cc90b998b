"""Builds fuzz targets with clang, beside Bazel: another compiler would empty its cache."""

import concurrent.futures
import fcntl
import hashlib
import os
import re
import subprocess

from fuzz import build_graph
from runner import cache

PACKAGE = "tests/fuzz"

_COMPILER = "clang++"
_LANGUAGE = "-std=c++20"
# Indexes are checked too: a read past a view may lie in memory that is somebody else's.
_FLAGS = (_LANGUAGE, "-O1", "-gline-tables-only", "-fno-omit-frame-pointer",
          "-D_GLIBCXX_ASSERTIONS", "-fsanitize=fuzzer-no-link,address,undefined",
          "-fno-sanitize-recover=all")
# Generated code is protobuf's own business, and much of it; where it has been is of interest.
_GENERATED_FLAGS = (_LANGUAGE, "-O0", "-w", "-fsanitize=fuzzer-no-link")
_LINK_FLAGS = ("-fsanitize=fuzzer,address,undefined",)
# What nearly every source includes, parsed once.
_PRELUDE = f"{PACKAGE}/prelude.h"
_PROTOS = "proto"
# A few seconds, of a processor that others may need first.
_STEP_S_MAX = 3600


def kept():
    """Folder of what is built and of the inputs that were found."""
    return cache.folder("fuzz")


def names():
    """Of all fuzz targets: `glob` stands for //tests/fuzz:glob_fuzz."""
    return [name[:-len("_fuzz")] for name in build_graph.targets(PACKAGE)
            if name.endswith("_fuzz")]


def build(wanted):
    """Name -> program. RuntimeError says what the compiler or the linker said."""
    how = "\0".join((build_graph.ROOT, *_FLAGS, *_GENERATED_FLAGS))
    digest = hashlib.sha256(how.encode()).hexdigest()[:16]
    folder = os.path.join(kept(), f"objects-{digest}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        parts = {name: build_graph.closure(f"//{PACKAGE}:{name}_fuzz") for name in wanted}
        sources = sorted({source for made_of, _ in parts.values() for source in made_of})
        _generate(folder, [source for source in sources if source.endswith(".proto")])
        _precompile(folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            def for_each(task, items):
                list(pool.map(lambda item: task(folder, item), items))

            for_each(_compile, [source for source in sources if source.endswith(".cc")])
            needed = {name: _needed(folder, made_of) for name, (made_of, _) in parts.items()}
            for_each(_compile_generated, sorted(set().union(*needed.values())))
            programs = pool.map(
                lambda name: _link(folder, name, parts[name][0], needed[name], parts[name][1]),
                parts)
            return dict(zip(parts, programs))


def _generate(folder, protos):
    """C++ of the messages, below the folder's `generated`."""
    made = os.path.join(folder, "generated")
    os.makedirs(made, exist_ok=True)
    stale = [proto for proto in protos
             if not _is_newer(os.path.join(made, _stem(proto) + ".pb.cc"), [proto])]
    if stale:
        _run(["protoc", f"-I{_PROTOS}", f"--cpp_out={made}", *stale])


def _stem(proto):
    return proto[len(_PROTOS) + 1:-len(".proto")]


def _precompile(folder):
    made = os.path.join(folder, "prelude.pch")
    if not _is_newer(made, [_PRELUDE]):
        _run([_COMPILER, *_FLAGS, "-x", "c++-header", _PRELUDE, "-o", made])


def _compile(folder, source):
    made = _object(folder, source)
    depends = made[:-len(".o")] + ".d"
    if not _fresh(made, depends):
        os.makedirs(os.path.dirname(made), exist_ok=True)
        _run([_COMPILER, *_FLAGS, "-I.", f"-I{folder}/generated",
              "-include-pch", os.path.join(folder, "prelude.pch"),
              "-MD", "-MF", depends, "-c", source, "-o", made])


def _compile_generated(folder, stem):
    source = os.path.join(folder, "generated", stem + ".pb.cc")
    made = _object(folder, stem + ".pb.cc")
    depends = made[:-len(".o")] + ".d"
    if not _fresh(made, depends):
        os.makedirs(os.path.dirname(made), exist_ok=True)
        _run([_COMPILER, *_GENERATED_FLAGS, f"-I{folder}/generated",
              "-MD", "-MF", depends, "-c", source, "-o", made])


def _needed(folder, sources):
    """Stems of the messages of a program: not of all that it could use, but of those of which it
    includes the headers, which include each other as the messages do."""
    stems = set()
    for source in sources:
        if source.endswith(".cc"):
            with open(_object(folder, source)[:-len(".o")] + ".d", encoding="utf-8") as file:
                stems.update(re.findall(r"/generated/(\S+)\.pb\.h", file.read()))
    return stems


def _object(folder, source):
    return os.path.join(folder, source[:-len(".cc")] + ".o")


def _fresh(made, depends):
    """Whether it is newer than all that it was made of."""
    try:
        with open(depends, encoding="utf-8") as file:
            inputs = re.split(r"\s+", file.read().partition(": ")[2].replace("\\\n", " ").strip())
    except OSError:
        return False
    return _is_newer(made, inputs)


def _is_newer(made, inputs):
    try:
        age = os.stat(made).st_mtime_ns
        return all(os.stat(os.path.join(build_graph.ROOT, each)).st_mtime_ns < age
                   for each in inputs)
    except OSError:
        return False


def _link(folder, name, sources, stems, packages):
    program = os.path.join(folder, f"{name}_fuzz")
    objects = [_object(folder, source) for source in sources if source.endswith(".cc")]
    objects += [_object(folder, stem + ".pb.cc") for stem in sorted(stems)]
    if not _is_newer(program, objects):
        libraries = _run(["pkg-config", "--libs", *packages]).split() if packages else []
        _run([_COMPILER, *_LINK_FLAGS, "-o", program, *objects, *libraries])
    return program


def _run(args):
    done = subprocess.run(args, cwd=build_graph.ROOT, check=False, timeout=_STEP_S_MAX,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args[:1] + args[-3:])}:\n"
                           + done.stderr.decode(errors="replace"))
    return done.stdout.decode()
