"""All tests; tests/run calls it when what they need is installed. See there."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

_TESTS = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
_SIMULATION_S = 60
# Classes of end-to-end tests side by side: they mostly wait, and have networks of their own.
_LANES = 2
sys.dont_write_bytecode = True
sys.path.insert(0, _TESTS)

from fuzz import fuzzing  # pylint: disable=wrong-import-position
from runner import report as reports  # pylint: disable=wrong-import-position
from runner import simulate  # pylint: disable=wrong-import-position
from runner import unit  # pylint: disable=wrong-import-position
from style import check  # pylint: disable=wrong-import-position


def tidy(report, names=None):
    """The house style, and that its rules can fail."""
    files = check.all_files()
    for name, rule in check.rules().items():
        if names is None or name in names:
            findings = check.show(rule(files))
            report.case(f"tidy {name}", "\n".join(findings) if findings else None)
    for name, test in check.self_tests().items():
        try:
            test()
            report.case(f"tidy self-test {name}")
        except AssertionError as error:
            report.case(f"tidy self-test {name}", str(error))


def adopt(report, lines):
    """Counts the lines that another Report has printed. True when they end with its sum."""
    complete = False
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\n")
        if line.endswith(" failed") and " passed, " in line:
            complete = True
        else:
            report.adopt(line)
    return complete


def end_to_end(report, args):
    """tests/e2e/run, as root where it has to be. Counts the lines that it prints."""
    as_root = [] if os.geteuid() == 0 or "--local" in args else ["sudo"]
    with subprocess.Popen([*as_root, os.path.join(_TESTS, "e2e", "run"), *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as runner:
        complete = adopt(report, runner.stdout)
    if not complete:
        report.case("e2e", f"the runner ended early, with exit code {runner.returncode}")


class Fuzzing:
    """tests/fuzz/run beside all that comes after the build. It takes only what that leaves of the
    processors (SCHED_IDLE, see sched(7)): many tests wait for something else, and the simulation
    keeps one processor busy."""

    def __init__(self):
        self._output = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        args = ["--idle", "--seconds", str(fuzzing.SECONDS_IN_A_RUN)]
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(_TESTS, "fuzz", "run"), *args], stdin=subprocess.DEVNULL,
            stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()

    def finish(self, report):
        """Waits for its end and counts its lines."""
        self._process.wait()
        self._output.seek(0)
        if not adopt(report, self._output):
            report.case("fuzz", f"it ended early, with exit code {self._process.returncode}")


def timed(report, what, step, *args):
    """Calls it, and says how long it took."""
    started = time.monotonic()
    result = step(*args)
    report.note(f"{what} took {time.monotonic() - started:.0f} s")
    return result


def main():
    """Runs everything. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--fast", action="store_true", help="only what needs no root")
    for config in ("asan", "tsan"):
        parser.add_argument(f"--{config}", dest="sanitizer", action="store_const", const=config)
    options = parser.parse_args()
    report = reports.Report()
    if options.sanitizer:
        unit.test(report, config=options.sanitizer)
        return report.finish()
    built = timed(report, "the build", unit.build, report)
    with Fuzzing() as beside:
        timed(report, "unit tests", unit.test, report)
        timed(report, "the style", tidy, report)
        if built:
            timed(report, "the simulation", simulate.simulate, report,
                  ["--seconds", str(_SIMULATION_S)], _SIMULATION_S)
            lanes = ["--local"] if options.fast else ["--lanes", str(_LANES)]
            timed(report, "end-to-end tests", end_to_end, report, lanes)
        timed(report, "what was left of fuzzing", beside.finish, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
