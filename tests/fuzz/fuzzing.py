"""Runs fuzz targets and says what they did."""

import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from fuzz import build, build_graph, seeds

SECONDS_IN_A_CAMPAIGN = 600
SECONDS_IN_A_RUN = 10

# An input that takes longer is a hang; all of them need milliseconds.
_INPUT_S_MAX = 20
_INPUT_BYTES_MAX = 4096
_MEMORY_MB_MAX = 2048
# Before the first input: the corpus of former runs is read and tried.
_START_S_MAX = 600
_SHOWN_LINES_MAX = 60
# What the code under test has to say of each input.
_LOGGED = re.compile(r"\d{4}-\d\d-\d\dT\S+Z ")


def main(report, args, prog, description=None):
    """`fuzz` for people: reads the command line."""
    parser = argparse.ArgumentParser(prog=prog, description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help=f"of {', '.join(build.names())}; all without one")
    parser.add_argument("--seconds", type=int, default=SECONDS_IN_A_CAMPAIGN,
                        help="for each target (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    parser.add_argument("--build", action="store_true", help="print the programs, run nothing")
    options = parser.parse_args(args)
    wrong = [name for name in options.targets if name not in build.names()]
    if wrong:
        parser.error(f"no target {wrong[0]}; there are {', '.join(build.names())}")
    if options.build:
        print(*build.build(options.targets or build.names()).values(), sep="\n")
        sys.exit()
    fuzz(report, options.targets, options.seconds, options.seed)


def fuzz(report, targets, seconds, seed):
    """One case for each of the targets, all without one."""
    targets = targets or build.names()
    report.note(f"fuzzing {seconds} s each, seed {seed}")
    try:
        programs = build.build(targets)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        report.case("fuzz build", str(error))
        return
    def run(name):
        started = time.monotonic()
        return name, *_run(name, programs[name], seconds, seed), time.monotonic() - started

    # Each takes one processor.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, problem, executions, took in pool.map(run, targets):
            if executions is not None:
                report.note(f"{name}: {executions} executions")
            report.case(f"fuzz {name}", problem, took)


def _run(name, program, seconds, seed):
    """(what went wrong or None, executions or None)."""
    kept = os.path.join(build.cache(), f"corpus-{name}")
    found = os.path.join(build.cache(), f"found-{name}")
    for folder in (kept, found):
        os.makedirs(folder, exist_ok=True)
    args = [program, f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={_INPUT_S_MAX}",
            f"-max_len={_INPUT_BYTES_MAX}", f"-rss_limit_mb={_MEMORY_MB_MAX}",
            f"-artifact_prefix={found}/", "-print_final_stats=1", "-use_value_profile=1", kept]
    with tempfile.TemporaryDirectory(prefix="closewrite-fuzz-", dir=_memory()) as scratch:
        args.append(_write_seeds(name, scratch))
        try:
            done = subprocess.run(
                args, cwd=build_graph.ROOT, check=False, timeout=_START_S_MAX + seconds,
                env={**os.environ, "TMPDIR": scratch}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return f"did not end within {_START_S_MAX + seconds} s", None
    output = done.stdout.decode(errors="replace")
    executions = re.search(r"stat::number_of_executed_units: *(\d+)", output)
    executions = int(executions.group(1)) if executions else None
    if done.returncode == 0:
        return (None, executions) if executions else ("ran no input", executions)
    lines = [line for line in output.splitlines() if not _LOGGED.match(line)]
    return "\n".join(lines[-_SHOWN_LINES_MAX:]), executions


def _write_seeds(name, scratch):
    folder = os.path.join(scratch, "seeds")
    os.makedirs(folder)
    for number, seed in enumerate(seeds.SEEDS[name]):
        with open(os.path.join(folder, str(number)), "wb") as file:
            file.write(seed)
    return folder


def _memory():
    """A folder in memory if there is one: a ledger is written for each input."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
