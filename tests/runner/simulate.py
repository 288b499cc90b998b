"""Runs tests/simulation for a while, with fresh seeds or with given ones."""

import os
import re
import subprocess

from runner import unit

_TARGET = "//tests/simulation:simulate"
_PROGRAM = os.path.join(unit.ROOT, "bazel-bin", "tests", "simulation", "simulate")
_EXTRA_S_MAX = 300
_BUILD_S_MAX = 1800
_SHOWN_LINES_MAX = 80
_SUMMARY = re.compile(r"^(\d+) seeds, (\d+) failed$", re.MULTILINE)


def campaign(report, args, seconds):
    """As `simulate`, but built anew, and optimised."""
    built = subprocess.run(["bazel", "build", "--config=opt", _TARGET], cwd=unit.ROOT, check=False,
                           timeout=_BUILD_S_MAX, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    if built.returncode != 0:
        report.case("simulation", _tail(built.stdout))
        return
    simulate(report, args, seconds)


def simulate(report, args, seconds):
    """One case: `simulate` with these arguments, which may take `seconds` and a little."""
    try:
        done = subprocess.run([_PROGRAM, *args], check=False, timeout=seconds + _EXTRA_S_MAX,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        report.case("simulation", f"did not end within {seconds + _EXTRA_S_MAX} s")
        return
    output = done.stdout.decode(errors="replace")
    for line in output.splitlines()[:1] + output.splitlines()[-2:]:
        report.note(f"simulation: {line}")
    summary = _SUMMARY.search(output)
    ran = summary is not None and int(summary.group(1)) > 0
    problem = None if done.returncode == 0 and ran else _tail(done.stdout)
    report.case("simulation", problem)


def _tail(output):
    return "\n".join(output.decode(errors="replace").splitlines()[-_SHOWN_LINES_MAX:])
