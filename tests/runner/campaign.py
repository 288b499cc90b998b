"""Long tests by name; tests/campaign calls it. See there."""

import argparse
import os
import random
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.realpath(os.path.join(os.path.dirname(__file__), "..")))

from runner import main as everything  # pylint: disable=wrong-import-position
from runner import report as reports  # pylint: disable=wrong-import-position
from runner import unit  # pylint: disable=wrong-import-position
from style import check  # pylint: disable=wrong-import-position


def kills(report, runs, seed):
    """The campaign of kill -9; run number N has the seed `seed` + N."""
    subprocess.run(["bazel", "build", "//services/..."], cwd=unit.ROOT, check=True)
    for number in range(runs):
        report.note(f"run {number + 1} of {runs}, seed {seed + number}")
        everything.end_to_end(report, ["--seed", str(seed + number), "KillsTest"])


def main():
    """Runs one campaign. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests/campaign")
    parser.add_argument("name", choices=["kills", "asan", "ubsan", "tsan", "tidy"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    options = parser.parse_args()
    report = reports.Report()
    if options.name == "kills":
        kills(report, options.runs, options.seed)
    elif options.name == "tidy":
        findings = check.show(check.extra_rules()["clang_tidy_all"](check.all_files()))
        report.case("tidy clang_tidy_all", "\n".join(findings) if findings else None)
    else:
        unit.test(report, config=options.name)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
