"""Long tests by name; tests/campaign calls it. See there."""

import argparse
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.realpath(os.path.join(os.path.dirname(__file__), "..")))

from bench import programs  # pylint: disable=wrong-import-position
from fuzz import fuzzing  # pylint: disable=wrong-import-position
from runner import main as everything  # pylint: disable=wrong-import-position
from runner import report as reports  # pylint: disable=wrong-import-position
from runner import simulate  # pylint: disable=wrong-import-position
from runner import unit  # pylint: disable=wrong-import-position
from style import check  # pylint: disable=wrong-import-position

_SIMULATION_S = 3600
_SIMULATION_S_MAX = 7 * 24 * 3600


def servers(report, runs, seed):
    """Uploads through real file servers, and programs at home, with many files."""
    subprocess.run(["bazel", "build", "//services/..."], cwd=unit.ROOT, check=True)
    for number in range(runs):
        report.note(f"run {number + 1} of {runs}, seed {seed + number}")
        everything.end_to_end(report, ["--seed", str(seed + number), "--files", "500",
                                       "servers_test", "home_programs_test"])


def upgrade(report, commit):
    """A rolling update from the programs of an earlier commit."""
    with tempfile.TemporaryDirectory(prefix="closewrite-upgrade-") as folder:
        tree, old = os.path.join(folder, "tree"), os.path.join(folder, "programs")
        os.makedirs(old)
        subprocess.run(["git", "worktree", "add", "--detach", tree, commit], cwd=unit.ROOT,
                       check=True)
        try:
            programs.build_into(old, tree, startup=unit.startup_flags("upgrade"))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=unit.ROOT,
                           check=True)
        subprocess.run(["bazel", "build", "//services/..."], cwd=unit.ROOT, check=True)
        # Hosts have other users' folders as they are; what lies here must be readable there.
        os.chmod(folder, 0o755)
        os.environ["CLOSEWRITE_OLD_PROGRAMS"] = old
        everything.end_to_end(report, ["upgrade_test"])


def scripted(report, what, args):
    """The campaign that tests/`what`/run is, which takes the same arguments."""
    if not os.environ.get("CLOSEWRITE_TEST_PROGRAMS"):
        subprocess.run(["bazel", "build", "//services/..."], cwd=unit.ROOT, check=True)
    as_root = [] if os.geteuid() == 0 or "--local" in args else ["sudo"]
    with subprocess.Popen([*as_root, os.path.join(unit.ROOT, "tests", what, "run"), *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          errors="replace") as runner:
        for line in runner.stdout:
            if not line.endswith(" failed\n") or " passed, " not in line:
                report.adopt(line.rstrip("\n"))
    if runner.returncode not in (0, 1):
        report.case(what, f"the runner ended early, with exit code {runner.returncode}")


def main():
    """Runs one campaign. Returns the exit code."""
    report = reports.Report()
    scripts = {"kills": ("kills",), "tasks": ("kills", "--tasks"), "watch": ("storm",)}
    if sys.argv[1] in scripts:
        what, *args = scripts[sys.argv[1]]
        scripted(report, what, args + sys.argv[2:])
        return report.finish()
    if sys.argv[1:2] == ["simulation"]:
        args = sys.argv[2:] or ["--seconds", str(_SIMULATION_S)]
        simulate.campaign(report, args, _SIMULATION_S_MAX)
        return report.finish()
    if sys.argv[1:2] == ["fuzz"]:
        fuzzing.main(report, sys.argv[2:], "tests/campaign fuzz")
        return report.finish()
    parser = argparse.ArgumentParser(prog="tests/campaign")
    parser.add_argument("name", choices=["servers", "asan", "ubsan", "tsan", "tidy", "upgrade"])
    parser.add_argument("--from", dest="commit", help="upgrade: the commit of the old programs")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    options = parser.parse_args()
    if options.name == "servers":
        servers(report, options.runs, options.seed)
    elif options.name == "upgrade":
        if not options.commit:
            parser.error("say `upgrade --from COMMIT`, the tag of the release before")
        upgrade(report, options.commit)
    elif options.name == "tidy":
        findings = check.show(check.extra_rules()["clang_tidy_all"](check.all_files()))
        report.case("tidy clang_tidy_all", "\n".join(findings) if findings else None)
    else:
        unit.test(report, config=options.name)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
