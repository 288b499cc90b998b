"""All tests; tests/run calls it when what they need is installed. See there."""

import argparse
import os
import random
import subprocess
import sys

_TESTS = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
_SIMULATION_S = 120
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


def end_to_end(report, args):
    """tests/e2e/run, as root where it has to be. Counts the lines that it prints."""
    as_root = [] if os.geteuid() == 0 or "--local" in args else ["sudo"]
    with subprocess.Popen([*as_root, os.path.join(_TESTS, "e2e", "run"), *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as runner:
        summary = None
        for raw in runner.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line.endswith(" failed") and " passed, " in line:
                summary = line
            else:
                report.adopt(line)
    if summary is None:
        report.case("e2e", f"the runner ended early, with exit code {runner.returncode}")


def main():
    """Runs everything. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--fast", action="store_true", help="only what needs no root")
    options = parser.parse_args()
    report = reports.Report()
    built = unit.build(report)
    unit.test(report)
    tidy(report)
    fuzzing.fuzz(report, [], fuzzing.SECONDS_IN_A_RUN, random.randrange(1, 1 << 30))
    if built:
        simulate.simulate(report, ["--seconds", str(_SIMULATION_S)], _SIMULATION_S)
        end_to_end(report, ["--local"] if options.fast else ["--lanes", str(_LANES)])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
