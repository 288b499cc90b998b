"""Builds everything and runs the unit tests, counting every case inside them."""

import json
import os
import random
import subprocess
import tempfile
import urllib.parse
import urllib.request
import xml.etree.ElementTree

from runner import cache

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

_BAZEL_S_MAX = 2400
# Configurations of .bazelrc, by what tests/run calls them. Each has a cache of its own, so that the
# usual one stays as it is; to build everything anew takes long.
SANITIZERS = {"asan": ("asan",), "ubsan": ("ubsan",), "tsan": ("tsan",)}
_SANITIZED_S_MAX = 6 * 3600
_SEEN_BY_TSAN = "tests/tsan:seen_by_tsan.so"
# Of small, medium, large and enormous tests; five times as long as Bazel gives them.
_SANITIZED_TIMEOUTS = "--test_timeout=300,1500,4500,18000"
_SHOWN_LINES_MAX = 60


def build(report):
    """Builds everything. True when it worked."""
    done = subprocess.run(["bazel", "build", "//..."], cwd=ROOT, check=False, timeout=_BAZEL_S_MAX,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    output = done.stdout.decode(errors="replace").splitlines()[-_SHOWN_LINES_MAX:]
    report.case("build //...", "\n".join(output) if done.returncode else None)
    return done.returncode == 0


def test(report, config=None, seed=None):
    """Runs all unit tests, in an order that `seed` gives, with a sanitizer's `config` if any."""
    seed = seed or random.randrange(1, 99999)  # The range that GoogleTest takes.
    report.note(f"unit tests{f' under {config}' if config else ''}, seed {seed}")
    with tempfile.NamedTemporaryFile(suffix=".json") as events:
        done = subprocess.run(
            ["bazel", *startup_flags(config), "test", *_config_flags(config), "--keep_going",
             "--test_output=errors", "--test_arg=--gtest_shuffle",
             f"--test_arg=--gtest_random_seed={seed}", f"--build_event_json_file={events.name}",
             "//..."],
            cwd=ROOT, check=False, timeout=_SANITIZED_S_MAX if config else _BAZEL_S_MAX,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        results = _results(events.name)
    for label, (status, report_file) in sorted(results.items()):
        _count(report, label, status, report_file)
    if done.returncode not in (0, 3) or not results:
        output = done.stdout.decode(errors="replace").splitlines()[-_SHOWN_LINES_MAX:]
        report.case(f"bazel test {config or ''}".strip(), "\n".join(output))


def startup_flags(config):
    """Bazel's own flags for a build that has a cache of its own, None: that has not."""
    if config is None:
        return []
    # The server of that cache does not stay.
    return [f"--output_base={cache.folder(f'bazel-{config}')}",
            "--max_idle_secs=60"]


def _config_flags(config):
    if config is None:
        return []
    # Tests with the tag say beside it why they make no sense there.
    flags = [f"--config={each}" for each in SANITIZERS[config]]
    flags += [f"--test_tag_filters=-no_{config}", "--build_tests_only", _SANITIZED_TIMEOUTS]
    return flags + (_tsan_flags() if config == "tsan" else [])


def _tsan_flags():
    """What tells ThreadSanitizer of Debian's libraries; see tests/tsan."""
    bazel = ["bazel", *startup_flags("tsan")]
    subprocess.run([*bazel, "build", "--config=tsan", f"//{_SEEN_BY_TSAN}"], cwd=ROOT, check=True,
                   timeout=_BAZEL_S_MAX, stdin=subprocess.DEVNULL)
    folder = subprocess.run([*bazel, "info", "--config=tsan", "bazel-bin"], cwd=ROOT, check=True,
                            timeout=_BAZEL_S_MAX, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE).stdout.decode().strip()
    library = os.path.join(folder, *_SEEN_BY_TSAN.split(":"))
    suppressions = os.path.join(ROOT, "tests", "tsan", "suppressions")
    return [f"--test_env=LD_PRELOAD={library}",
            # A lock that a library has taken may be let go by what it has inlined into us; gRPC's
            # threads are there until the end.
            "--test_env=TSAN_OPTIONS=report_mutex_bugs=0:report_thread_leaks=0:"
            f"suppressions={suppressions}"]


def _results(path):
    """Label -> (status, path of test.xml or None), from Bazel's build events."""
    results = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if "testResult" not in event:
                continue
            outputs = {each["name"]: each.get("uri", "")
                       for each in event["testResult"].get("testActionOutput", [])}
            uri = urllib.parse.urlparse(outputs.get("test.xml", ""))
            local = urllib.request.url2pathname(uri.path) if uri.scheme == "file" else None
            results[event["id"]["testResult"]["label"]] = (event["testResult"]["status"], local)
    return results


def _count(report, label, status, path):
    failed = 0
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase")) if path else []
    except (OSError, xml.etree.ElementTree.ParseError):
        cases = []
    for case in cases:
        if case.get("status") == "notrun" or case.find("skipped") is not None:
            continue
        problems = [each.get("message") or each.text or "failed"
                    for tag in ("failure", "error") for each in case.iter(tag)]
        name = f"{label} {case.get('classname')}.{case.get('name')}"
        report.case(name, "\n".join(problems) if problems else None, float(case.get("time") or 0))
        failed += bool(problems)
    if status != "PASSED" and not failed:
        log = os.path.join(os.path.dirname(path), "test.log") if path else None
        tail = ""
        if log and os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as file:
                tail = "\n".join(file.read().splitlines()[-_SHOWN_LINES_MAX:])
        report.case(f"{label} ({status})", tail or status)
