"""Rules that need nothing but a file's name and text. Each yields findings."""

import ast
import json
import os
import re
import subprocess

from style import functions, source

_COLUMNS_MAX = 100
_FUNCTION_LINES_MAX = 70
_FILE_LINES_MAX = 500

_ROOM = re.compile(r"(?:^|[_/-])(common|utils?|helpers?|misc)(?:[_./-]|$)", re.IGNORECASE)
_BARE_TASK = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!\([\w-]+\): \S)")
# Built of pieces, so that this file does not break its own rule.
_MACHINE_PATH = re.compile(
    r"(?<![\w.$}~/-])/(?:wo" r"rk|ro" r"ot|ho" r"me/(?!me/|user/)\w+|tmp/w|Us" r"ers)/")
_INCLUDE = re.compile(r'^#include "services/([^/"]+)/', re.MULTILINE)

# These folders below services/ make a program; the others are libraries that they share.
_SERVICES = ("cli", "coordinator", "executor", "portal", "watcher")

_THREATS = "docs/threats.md"

# Pattern, where it may stand (beginnings or ends of paths), what to use.
_BANNED_CPP = (
    # drain_thread.cc lets events gather for half a millisecond, to spare the writers wake-ups.
    # tests/tsan stands in the place of a lock whose waiters it could not see otherwise.
    (r"\b(?:sleep_for|sleep_until|SleepFor|usleep|nanosleep)\s*\("
     r"|(?<![\w.:>])sleep\s*\(",
     ("services/watcher/drain_thread.cc", "tests/tsan/"),
     "wait for a signal or a condition, never for time"),
    (r"(?<![\w.:>])(?:system|popen)\s*\(", (), "run an argv list; no shell sees a file's name"),
    (r"\babsl::Now\s*\(|\bsystem_clock::now\s*\(|\bsteady_clock::now\s*\(|\bclock_gettime\s*\("
     # The supervisor is a program of its own that links nothing but libc. Tests of real servers
     # need gRPC's deadlines, which are wall-clock times.
     r"|\bgettimeofday\s*\(",
     ("services/clock/", "services/executor/supervisor_main.cc", "_test.cc"),
     "take `now` as a value, or services/clock"),
    # What --check-config and a refused configuration print is no log line.
    (r"\bstd::(?:cout|cerr|clog)\b", ("services/cli/", "services/config/command_line.cc"),
     "log through services/log"),
    (r"\bspdlog::", ("services/log/",), "log through services/log"),
    (r"\b(?:strcpy|strcat|sprintf|gets)\s*\(", (), "use absl::StrCat or absl::StrFormat"),
    (r"\bstd::regex\b", ("_test.cc",),
     "use services/volume/glob.h; std::regex can be made to explode"),
)


def columns(file):
    """No line is longer than 100 columns."""
    if not file.code:
        return
    for number, line in file.lines():
        if len(line) > _COLUMNS_MAX and not line.startswith(("#include", "#ifndef", "#define")):
            if not re.search(r"https?://\S{60,}", line):
                yield file.finding(number, f"{len(line)} columns; break it at {_COLUMNS_MAX}")


def function_length(file):
    """Functions fit a screen; the lines of a table in them do not count."""
    if file.cpp:
        spans = functions.cpp_functions(file.text)
    elif file.python:
        spans = functions.python_functions(file.text)
    else:
        spans = functions.shell_functions(file.text) if file.shell else []
    for first, last, table_lines in spans:
        lines = last - first + 1 - table_lines
        if lines > _FUNCTION_LINES_MAX:
            yield file.finding(first, f"a function of {lines} lines; cut it into parts of at most "
                               f"{_FUNCTION_LINES_MAX} that have names")


def file_length(file):
    """Files fit a head."""
    lines = file.text.count("\n")
    if file.code and file.name != "BUILD" and lines > _FILE_LINES_MAX:
        yield file.finding(lines, f"{lines} lines; divide it by what its parts do, at most "
                           f"{_FILE_LINES_MAX} each")


def room_names(file):
    """No folder or file is named for being shared."""
    match = _ROOM.search(file.path)
    if match:
        yield file.finding(1, f"'{match.group(1)}' says nothing; name it for what it does")


def bare_tasks(file):
    """Open tasks name who knows about them."""
    for number, line in file.lines():
        if file.code and _BARE_TASK.search(line):
            yield file.finding(number, "say `TO" "DO(name): what`, or do it, or open an issue")


def machine_paths(file):
    """No path of somebody's machine."""
    for number, line in file.lines():
        match = _MACHINE_PATH.search(line)
        if match:
            yield file.finding(number, f"'{match.group()}' is a path of one machine; use one "
                               "relative to the repository, or an example such as /srv or /var/lib")


def service_borders(file):
    """Services never include each other's headers."""
    parts = file.path.split("/")
    if not file.cpp or parts[0] != "services" or parts[1] not in _SERVICES:
        return
    for match in _INCLUDE.finditer(file.text):
        other = match.group(1)
        if other in _SERVICES and other != parts[1]:
            yield file.finding(file.text.count("\n", 0, match.start()) + 1,
                               f"{parts[1]} includes a header of {other}; what both need is a "
                               "small library named for what it does")


def banned_calls(file):
    """Calls that have a better one."""
    if not file.cpp:
        return
    lines = source.without_comments(file.text).split("\n")
    for pattern, allowed, cure in _BANNED_CPP:
        if file.path.startswith(allowed) or file.path.endswith(allowed):
            continue
        for number, line in enumerate(lines, 1):
            match = re.search(pattern, line)
            if match:
                yield file.finding(number, f"'{match.group().strip()}': {cure}")


def include_guards(file):
    """Headers are guarded by their path."""
    if file.extension != ".h":
        return
    guard = re.sub(r"[/.-]", "_", file.path).upper() + "_"
    if f"#ifndef {guard}\n#define {guard}\n" not in file.text:
        yield file.finding(1, f"guard the header with {guard}")


def whitespace(file):
    """No blanks at line ends, no tabs in code, one newline at the end."""
    for number, line in file.lines():
        if line.endswith((" ", "\t", "\r")):
            yield file.finding(number, "blanks at the end of the line")
        elif file.code and "\t" in line:
            yield file.finding(number, "a tab; use spaces, or \\t in strings")
    if file.text and (not file.text.endswith("\n") or file.text.endswith("\n\n")):
        yield file.finding(file.text.count("\n"), "end the file with one newline")


def scripts(file):
    """Scripts can be read by their own interpreter, and use Debian's."""
    first = file.text.split("\n", 1)[0]
    allowed = ("#!/usr/bin/python3", "#!/bin/bash", "#!/bin/sh")
    if first.startswith("#!") and first not in allowed:
        yield file.finding(1, f"'{first}': start with one of {', '.join(allowed)}")
    if file.python:
        try:
            ast.parse(file.text)
        except SyntaxError as error:
            yield file.finding(error.lineno or 1, f"Python can't read it: {error.msg}")
    elif file.shell:
        checked = subprocess.run(["/bin/bash", "-n"], input=file.text.encode(), check=False,
                                 capture_output=True)
        if checked.returncode != 0:
            yield file.finding(1, f"bash can't read it: {checked.stderr.decode().strip()}")


def npm_pins(file):
    """npm's packages are pinned, and no server is named."""
    if file.name == "package-lock.json" and '"resolved"' in file.text:
        yield file.finding(1, "names a server; install with --no-package-lock")
    elif file.name == "package.json":
        for name, version in json.loads(file.text).get("dependencies", {}).items():
            if not re.fullmatch(r"\d+\.\d+\.\d+", version):
                yield file.finding(1, f"{name} {version}: pin one exact version")


def readmes(all_files):
    """Every service says in a README what its job is. Takes all files."""
    paths = {file.path for file in all_files}
    for service in _SERVICES:
        folder = os.path.join("services", service)
        if f"{folder}/BUILD" in paths and f"{folder}/README.md" not in paths:
            yield source.Finding(f"{folder}/README.md", 1, "is missing: its job, rooms and way in")


def threats(all_files):
    """Each line of the threat model names tests, and they are there."""
    texts = {file.path: file.text for file in all_files}
    for file in all_files:
        if file.path != _THREATS:
            continue
        for number, line in file.lines():
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("| ") or row[-1] in ("---", "held by"):
                continue
            tests = re.findall(r"`([^`]+)`", row[-1])
            if not tests:
                yield file.finding(number, "name the test that holds it")
            for test in tests:
                if not _is_test(test, texts):
                    yield file.finding(number, f"there is no test `{test}`")


def _is_test(named, texts):
    """Whether there is what the threat model calls `FILE_test CASE, CASE`, `e2e CLASS.CASE, CASE`
    or `fuzz TARGET`."""
    room, _, rest = named.partition(" ")
    names = [name for name in re.split(r"[,.] ?", rest) if name]
    if room == "e2e":
        return any(all(re.search(rf"(class|def) {name}\b", text) for name in names)
                   for path, text in texts.items() if path.startswith("tests/e2e/"))
    if room == "fuzz":
        return all(f"tests/fuzz/{name}_fuzz.cc" in texts for name in names)
    if room.endswith("_test"):
        return any(all(f", {name})" in text for name in names)
                   for path, text in texts.items() if path.endswith(f"/{room}.cc"))
    return any(path.startswith(f"{room}/") for path in texts)


PER_FILE = (columns, function_length, file_length, room_names, bare_tasks, machine_paths,
            service_borders, banned_calls, include_guards, whitespace, scripts, npm_pins)
WHOLE_TREE = (readmes, threats)
