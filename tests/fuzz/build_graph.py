"""What a Bazel target is made of, read from the BUILD files themselves."""

import functools
import os

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

_DEBIAN = "@debian//:"


class _Names(dict):
    """The names of a file in Starlark; unknown functions do nothing."""

    def __missing__(self, name):
        return lambda *_args, **_kwargs: None


def _read(path, names):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), {}, names)  # pylint: disable=exec-used
    return names


@functools.lru_cache(maxsize=None)
def _package(package):
    """Name -> (sources, dependencies) of the C++ targets of a package."""
    targets = {}

    def target(name, srcs=(), deps=(), **_others):
        targets[name] = (tuple(srcs), tuple(deps))

    # As proto/proto.bzl has it; of the stubs nothing is needed here.
    def protos(name, srcs, **_others):
        target(name, srcs, [_DEBIAN + "protobuf"])

    names = _Names(cc_library=target, cc_binary=target, cc_test=target, cc_protos=protos,
                   glob=lambda *_args, **_kwargs: [])
    _read(os.path.join(package, "BUILD"), names)
    return targets


@functools.lru_cache(maxsize=None)
def _debian():
    return _read("deploy/bazel/debian.bzl", _Names())


def _split(label, package):
    """(package, name) of a label that is used in `package`."""
    where, _, name = label.partition(":")
    where = where[2:] if where.startswith("//") else package
    return where, name or os.path.basename(where)


def closure(label):
    """(sources, pkg-config packages) of a target and all that it depends on, in a stable order.

    Messages are among the sources as the .proto files that they are generated from."""
    sources, packages, seen, pending = [], [], set(), [_split(label, "")]
    while pending:
        at = pending.pop(0)
        if at in seen:
            continue
        seen.add(at)
        package, name = at
        if name not in _package(package):
            raise RuntimeError(f"//{package}:{name} is no C++ library that can be read here")
        srcs, deps = _package(package)[name]
        sources += [os.path.join(package, each) for each in srcs
                    if each.endswith((".cc", ".proto"))]
        for dep in deps:
            if dep.startswith(_DEBIAN):
                packages += _packages(dep[len(_DEBIAN):])
            else:
                pending.append(_split(dep, package))
    return sources, list(dict.fromkeys(packages))


def _packages(name):
    """pkg-config names of a library of Debian's; none for one that is headers alone."""
    # pylint: disable=protected-access
    if name == "absl":
        return _debian()["_ABSL"]
    known = _debian()["_PKG_CONFIG"]
    return [known[name]] if name in known else []


def targets(package):
    """Names of the C++ targets of a package."""
    return sorted(_package(package))
