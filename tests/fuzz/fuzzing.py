"""Runs fuzz targets and says what they did."""

import os
import re
import subprocess
import tempfile
import time

from fuzz import build, build_graph

SECONDS_IN_A_CAMPAIGN = 600
SECONDS_IN_A_RUN = 10

# An input that takes longer is a hang; all of them need milliseconds.
_INPUT_S_MAX = 20
_INPUT_BYTES_MAX = 4096
_MEMORY_MB_MAX = 2048
# Before the first input: the corpus of former runs is read and tried.
_START_S_MAX = 600
_SHOWN_LINES_MAX = 60


def fuzz(report, targets, seconds, seed):
    """One case for each of the targets, all without one."""
    targets = targets or build.names()
    report.note(f"fuzzing {seconds} s each, seed {seed}")
    try:
        programs = build.build(targets)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        report.case("fuzz build", str(error))
        return
    for name in targets:
        started = time.monotonic()
        problem, executions = _run(name, programs[name], seconds, seed)
        if executions is not None:
            report.note(f"{name}: {executions} executions")
        report.case(f"fuzz {name}", problem, time.monotonic() - started)


def _run(name, program, seconds, seed):
    """(what went wrong or None, executions or None)."""
    kept = os.path.join(build.cache(), f"corpus-{name}")
    found = os.path.join(build.cache(), f"found-{name}")
    for folder in (kept, found):
        os.makedirs(folder, exist_ok=True)
    seeds = os.path.join(build_graph.ROOT, build.PACKAGE, "corpus", name)
    args = [program, f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={_INPUT_S_MAX}",
            f"-max_len={_INPUT_BYTES_MAX}", f"-rss_limit_mb={_MEMORY_MB_MAX}",
            f"-artifact_prefix={found}/", "-print_final_stats=1", "-use_value_profile=1", kept]
    args += [seeds] if os.path.isdir(seeds) else []
    with tempfile.TemporaryDirectory(prefix="closewrite-fuzz-", dir=_memory()) as scratch:
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
    return "\n".join(output.splitlines()[-_SHOWN_LINES_MAX:]), executions


def _memory():
    """A folder in memory if there is one: a ledger is written for each input."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
