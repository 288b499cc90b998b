"""Rules that formatters, linters and the build graph check. Each yields findings."""

import os
import re
import subprocess

from style import npm, source

_TOOL_S_MAX = 900
_BAZEL_S_MAX = 900
_FINDINGS_MAX = 200
_OUTPUT_MAX = 1000
_PLACE = re.compile(r"(?P<path>[\w./-]+):(?P<line>\d+):(?:\d+:)? ?(?P<message>.*)")
_PROTO = os.path.join(source.ROOT, "proto")

# The domain's core, and what it must not reach. Each pair is one query that must be empty.
CORE = ("//services/coordinator/core/...",)
FOREIGN = ("@debian//:grpc++", "@debian//:protobuf", "@debian//:sqlite3", "//proto/...")

# clang-tidy needs seconds for a file without gRPC's headers and half a minute for one with them;
# tests/run looks at these folders, `tests/campaign tidy` at all.
_TIDY_SLICE = ("services/coordinator/core/", "services/volume/", "services/clock/")


def run(args, seconds_max=_TOOL_S_MAX, cwd=source.ROOT):
    """(exit code, lines of output) of a tool."""
    done = subprocess.run(args, cwd=cwd, check=False, timeout=seconds_max, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace").splitlines()


def _findings(args, cure, cwd=source.ROOT):
    code, lines = run(args, cwd=cwd)
    if code == 0:
        return
    matches = [match for match in map(_PLACE.match, lines) if match]
    for match in matches[:_FINDINGS_MAX]:
        path = os.path.relpath(os.path.join(cwd, match["path"]), source.ROOT)
        yield source.Finding(path, int(match["line"]), f"{match['message']} ({cure})")
    if not matches:
        said = "; ".join(line.strip() for line in lines if line.strip())[:_OUTPUT_MAX]
        yield source.Finding(args[0].rsplit("/", 1)[-1], 0, f"{said or 'it failed'} ({cure})")


def clang_format(files):
    """C++ looks as clang-format would have it."""
    paths = [file.path for file in files if file.cpp]
    if paths:
        yield from _findings(["clang-format", "--dry-run", "--Werror", "--ferror-limit=3", *paths],
                             "run clang-format -i")


def clang_tidy(files, prefixes=_TIDY_SLICE):
    """clang-tidy with .clang-tidy finds nothing."""
    paths = [file.path for file in files
             if file.extension == ".cc" and file.path.startswith(prefixes)]
    if paths:
        jobs = str(os.cpu_count() or 1)
        script = ('exec clang-tidy --quiet "$@" -- -std=c++20 -I. -Ibazel-bin -Ibazel-bin/proto '
                  "-Wthread-safety")
        command = subprocess.run(
            ["xargs", "-0", "-n", "1", "-P", jobs, "sh", "-c", script, "sh"], cwd=source.ROOT,
            check=False, input="\0".join(paths).encode(), timeout=3 * 3600,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lines = [line for line in command.stdout.decode(errors="replace").splitlines()
                 if re.search(r": (warning|error): ", line)]
        if command.returncode != 0 and not lines:
            lines = ["clang-tidy:0:0: it failed without saying why"]
        for line in sorted(set(lines)):
            path, number, message = re.match(r"(.+?):(\d+):\d+: (.*)", line).groups()
            yield source.Finding(os.path.relpath(path, source.ROOT), int(number), message)


def buf_lint(_files, module=_PROTO):
    """The API keeps buf's rules."""
    yield from _findings([npm.tool("buf"), "lint"], "buf lint", module)


def buf_format(_files, module=_PROTO):
    """The API looks as buf format would have it."""
    yield from _findings([npm.tool("buf"), "format", "--diff", "--exit-code"], "run buf format -w",
                         module)


def buildifier(files):
    """What Bazel reads looks as buildifier would have it."""
    paths = [file.path for file in files if file.starlark]
    if paths:
        yield from _findings([npm.tool("buildifier"), "--mode=check", "--lint=warn",
                              "--warnings=-module-docstring,-function-docstring-args", *paths],
                             "run buildifier")


def query(expression):
    """Lines that `bazel query` prints. RuntimeError when it fails."""
    done = subprocess.run(
        ["bazel", "query", "--noshow_progress", expression], cwd=source.ROOT, check=False,
        capture_output=True, timeout=_BAZEL_S_MAX, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"bazel query '{expression}': {done.stderr.decode(errors='replace')}")
    return done.stdout.decode().split()


def unbuilt(files, built=None):
    """Every C++ and .proto file is in some target."""
    if built is None:
        built = query("kind('source file', deps(//...))")
    paths = {label[2:].replace(":", "/").lstrip("/") for label in built if label.startswith("//")}
    for file in files:
        if (file.cpp or file.extension == ".proto") and file.path not in paths:
            yield file.finding(1, "is in no BUILD target; add it, or remove the file")


def core_is_pure(_files, core=CORE):
    """The core's targets reach neither gRPC nor protobuf nor SQL."""
    for inner in core:
        for outer in FOREIGN:
            path = query(f"somepath({inner}, '{outer}')")
            if path:
                yield source.Finding(inner, 0, f"reaches {outer} by {' -> '.join(path)}; the core "
                                     "takes and gives plain values, and an adapter converts")


RULES = (clang_format, buf_format, buf_lint, buildifier, unbuilt, core_is_pure, clang_tidy)
