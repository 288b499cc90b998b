"""Runs fuzz targets and says what they did: first the inputs that once failed, then new ones."""

import argparse
import concurrent.futures
import os
import random
import re
import signal
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
# libFuzzer's choice of inputs by how rare their features are takes half of the time, or more, when
# there are as many as here: without it two to three times as many inputs are tried.
_QUICK = ("-entropic=0",)
# Before the first input: the corpus of former runs is read and tried.
_START_S_MAX = 600
_SHOWN_LINES_MAX = 60
# Seconds are those of a processor; beside other work it may take so many times as long.
_PATIENCE = 30
_LOOK_EVERY_S = 0.5
_REGRESSIONS = os.path.join(build_graph.ROOT, "tests", "regressions")
# What the code under test has to say of each input.
_LOGGED = re.compile(r"\d{4}-\d\d-\d\dT\S+Z ")


def main(report, args, prog, description=None):
    """`fuzz` for people: reads the command line."""
    parser = argparse.ArgumentParser(prog=prog, description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help=f"of {', '.join(build.names())}; all without one")
    parser.add_argument("--seconds", type=int, default=SECONDS_IN_A_CAMPAIGN,
                        help="of a processor for each target (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    parser.add_argument("--build", action="store_true", help="print the programs, run nothing")
    parser.add_argument("--idle", action="store_true",
                        help="take only what others leave of the processors")
    options = parser.parse_args(args)
    wrong = [name for name in options.targets if name not in build.names()]
    if wrong:
        parser.error(f"no target {wrong[0]}; there are {', '.join(build.names())}")
    if options.idle:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
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
        again, count = _repeat(name, programs[name])
        return name, again, count, *_run(name, programs[name], seconds, seed), \
            time.monotonic() - started

    # Each takes one processor.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, again, count, problem, executions, took in pool.map(run, targets):
            if executions is not None:
                report.note(f"{name}: {executions} executions")
            if count:
                report.case(f"regressions {name}", again)
            report.case(f"fuzz {name}", problem, took)


def _repeat(name, program):
    """Tries what once failed. (what went wrong or None, how many inputs)."""
    folder = os.path.join(_REGRESSIONS, name)
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    with tempfile.TemporaryDirectory(prefix="closewrite-fuzz-", dir=_memory()) as scratch:
        inputs = [os.path.join(scratch, file) for file in files]
        for file, path in zip(files, inputs):
            with open(path, "wb") as made:
                made.write(_read_input(os.path.join(folder, file)))
        for file, path in zip(files, inputs):
            args = [program, f"-timeout={_INPUT_S_MAX * _slowness()}", path]
            returncode, output = _finish(args, scratch, _INPUT_S_MAX, _START_S_MAX * _slowness())
            if returncode != 0:
                return f"{file}:\n{_tail(output)}", len(files)
    return None, len(files)


def _read_input(path):
    """Hexadecimal digits, behind lines with a # that say what went wrong."""
    with open(path, encoding="ascii") as file:
        return bytes.fromhex("".join(line for line in file if not line.startswith("#")))


def _run(name, program, seconds, seed):
    """(what went wrong or None, executions or None)."""
    kept = os.path.join(build.kept(), f"corpus-{name}")
    found = os.path.join(build.kept(), f"found-{name}")
    for folder in (kept, found):
        os.makedirs(folder, exist_ok=True)
    fuzz_s_max = seconds * _PATIENCE
    wall_s_max = _START_S_MAX * _slowness() + fuzz_s_max
    args = [program, f"-max_total_time={fuzz_s_max}", f"-seed={seed}",
            f"-timeout={_INPUT_S_MAX * _slowness()}", f"-max_len={_INPUT_BYTES_MAX}",
            f"-rss_limit_mb={_MEMORY_MB_MAX}", f"-artifact_prefix={found}/",
            "-print_final_stats=1", "-use_value_profile=1", *_QUICK, kept]
    with tempfile.TemporaryDirectory(prefix="closewrite-fuzz-", dir=_memory()) as scratch:
        args.append(_write_seeds(name, scratch))
        returncode, output = _finish(args, scratch, seconds, wall_s_max)
    executions = re.search(r"stat::number_of_executed_units: *(\d+)", output)
    executions = int(executions.group(1)) if executions else None
    if returncode is None:
        return f"did not end within {wall_s_max} s", executions
    if returncode == 0:
        return (None, executions) if executions else ("ran no input", executions)
    return _tail(output), executions


def _finish(args, scratch, processor_s, wall_s_max):
    """(exit code, output) of a target, which is told to end when it has had `processor_s`. No exit
    code: it did not."""
    deadline = time.monotonic() + wall_s_max
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(args, cwd=build_graph.ROOT, env={**os.environ, "TMPDIR": scratch},
                              stdin=subprocess.DEVNULL, stdout=log,
                              stderr=subprocess.STDOUT) as process:
            told = False
            while process.poll() is None and time.monotonic() < deadline:
                if not told and _processor_s(process.pid) >= processor_s:
                    told = True
                    # libFuzzer ends with its statistics then, after the input that it tries.
                    process.send_signal(signal.SIGUSR1)
                try:
                    process.wait(_LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    pass
            if process.poll() is None:
                process.kill()
                return None, ""
        log.seek(0)
        return process.returncode, log.read().decode(errors="replace")


def _slowness():
    """How many times as long all may take: who takes only what others leave may get very little."""
    return _PATIENCE if os.sched_getscheduler(0) == os.SCHED_IDLE else 1


def _processor_s(pid):
    """What a process has had so far, see proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tail(output):
    lines = [line for line in output.splitlines() if not _LOGGED.match(line)]
    return "\n".join(lines[-_SHOWN_LINES_MAX:])


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
