"""Executors that die or fall silent, and a coordinator that is killed under load."""

import os
import signal
import time

from bench import measure, table
from bench.queues import built, client, contender, ours, servers, workbench
from hosts import process

SECTION = "failover"
EXECUTOR = "executor killed, its command with it"
BROKEN = "connection broken, nothing said of processes"
SILENT = "silent (SIGSTOP)"
COORDINATOR = "coordinator killed while jobs run"
SESSION_TTL_S = 2.0
_KILLS = 100
_KILLS_S_MAX = 60.0
_SILENCES = 5
_COORDINATOR_KILLS = 3
_BACKLOG = 20_000
_SLOTS = 16
_START_S_MAX = 60.0
_SUCCEEDED = "JOB_STATE_SUCCEEDED"


class _Fleet(ours.Closewrite):
    session_ttl = f"{SESSION_TTL_S:g}s"


class _FleetPostgres(ours.ClosewritePostgres):
    session_ttl = f"{SESSION_TTL_S:g}s"


def _boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _often(bench, most):
    """Numbers from 0 on, until there were enough of them or the time is up."""
    deadline = time.monotonic() + _KILLS_S_MAX
    for number in range(3 if bench.quick else most):
        if number > 0 and time.monotonic() > deadline:
            return
        yield number


def _lines(path):
    try:
        with open(path, encoding="ascii") as file:
            return [int(line) for line in file]
    except FileNotFoundError:
        return []


def _kill_executors(bench, queue, found):
    """One job goes from executor to executor, each of which is killed under it."""
    if not built.has_executor():
        found.miss(SECTION, EXECUTOR, "there is no executor among the programs")
        return
    begun = os.path.join(queue.folder, "begun")
    client.run(queue.command("prepare", "--create", "--run", bench.programs.path("hold"), "--run",
                             begun), _START_S_MAX)
    executors = []

    def begins(count):
        return process.until(lambda: len(_lines(begun)) >= count, _START_S_MAX,
                             "the job's command begins")

    def start():
        number = len(executors)
        executors.append(servers.Executor(os.path.join(queue.folder, f"executor-{number}"), number,
                                   queue.coordinator.address))
        executors[-1].start(queue.coordinator)

    try:
        start()
        client.run(queue.command("submit", "--create", "--calls", 1), _START_S_MAX)
        begins(1)
        for number in _often(bench, _KILLS):
            start()
            killed_at = _boot_ns()
            executors[number].kill()
            begins(number + 2)
            found.add(SECTION, queue.name, EXECUTOR, {
                "restart_ms": (_lines(begun)[number + 1] - killed_at) / 1e6})
    finally:
        for each in executors:
            each.kill()
            each.__exit__()


def _hold(queue):
    """A client that holds what it gets."""
    return queue.attend(1, "--hold")


def _break_connections(bench, queue, found):
    """As before; the client is one process, so that its end is all that the coordinator sees."""
    holder = _hold(queue)
    try:
        client.run(queue.command("submit", "--calls", 1), _START_S_MAX)
        holder.numbers(_START_S_MAX)
        for _ in _often(bench, _KILLS):
            heir = _hold(queue)
            killed_at = _boot_ns()
            holder.kill()
            holder.close()
            holder = heir
            held = heir.numbers(_START_S_MAX)
            found.add(SECTION, queue.name, BROKEN, {"restart_ms": (held["at"] - killed_at) / 1e6})
    finally:
        holder.close()


def _silence(bench, queue, found):
    """A client is frozen while it holds a job; once somebody else has it, it comes back."""
    for _ in range(1 if bench.quick else _SILENCES):
        holder = _hold(queue)
        heir = None
        try:
            client.run(queue.command("submit", "--calls", 1), _START_S_MAX)
            job = holder.numbers(_START_S_MAX)["held"]
            heir = _hold(queue)
            silent_at = _boot_ns()
            holder.send(signal.SIGSTOP)
            held = heir.numbers(_START_S_MAX)
            holder.send(signal.SIGCONT)
            holder.say("answer")
            holder.numbers(_START_S_MAX)
            after = client.run(queue.command("job", "--id", job), _START_S_MAX)
            kept = after["state"] == "JOB_STATE_RUNNING" and after["token"] == held["token"]
            heir.say("answer")
            heir.numbers(_START_S_MAX)
            ended = client.run(queue.command("job", "--id", job), _START_S_MAX)
            fenced = kept and ended == {"state": _SUCCEEDED, "token": held["token"]}
            found.add(SECTION, queue.name, SILENT, {
                "restart_ms": (held["at"] - silent_at) / 1e6, "fenced": float(fenced)})
        finally:
            holder.close()
            if heir is not None:
                heir.close()


def _settled(path):
    with open(path, encoding="ascii") as file:
        return {int(line) for line in file}


def _backlog(bench):
    return 500 if bench.quick else _BACKLOG


def _kill_coordinator(bench, queue, found):
    """Killed in the middle of a drain: what was acknowledged is neither lost nor done again."""
    for number in range(1 if bench.quick else _COORDINATOR_KILLS):
        jobs = queue.load(_backlog(bench))
        before, after = (os.path.join(queue.folder, f"{name}-{number}") for name in ("a", "b"))
        with queue.attend(_SLOTS, "--jobs", jobs, "--settled", before, "--tell", jobs // 2,
                          "--seconds", contender.CLIENT_S_MAX) as attending:
            attending.numbers(contender.CLIENT_S_MAX)
            queue.coordinator.kill()
            try:
                attending.numbers(_START_S_MAX)
            except client.ClientError:
                pass  # The stream broke, as it must.
        killed_at = _boot_ns()
        queue.coordinator.start()
        left = jobs - len(_settled(before))
        # What was settled without its having been heard of makes fewer: the time ends it.
        with queue.attend(_SLOTS, "--jobs", left, "--settled", after, "--seconds",
                          3 * SESSION_TTL_S + left / 500) as attending:
            drained = attending.last(contender.CLIENT_S_MAX)
        states = client.run(queue.command("states"), contender.CLIENT_S_MAX)
        found.add(SECTION, queue.name, COORDINATOR, {
            "restart_ms": (drained["first_at"] - killed_at) / 1e6,
            "lost": float(jobs * (number + 1) - states.get(_SUCCEEDED, 0)),
            "rerun": float(len(_settled(before) & _settled(after)) + drained["rerun"])})


_TRIALS = ((EXECUTOR, _kill_executors), (BROKEN, _break_connections), (SILENT, _silence),
           (COORDINATOR, _kill_coordinator))


def _kinds(bench):
    pairs = ((ours.Closewrite, _Fleet), (ours.ClosewritePostgres, _FleetPostgres))
    return [kind for asked, kind in pairs if asked in bench.kinds()]


def once(bench, number):
    """The first run alone: it repeats itself."""
    if number > 0:
        return
    for trial, measure_trial in _TRIALS:
        def measure_one(queue, found, trial=trial, measure_trial=measure_trial):
            workbench.progress(f"failover: {trial}")
            measure_trial(bench, queue, found)
        bench.each(SECTION, 0, _kinds(bench), measure_one)


def text(bench):
    """Its table."""
    found = bench.results
    cells = []
    for kind in _kinds(bench):
        for trial, _ in _TRIALS:
            values = found.values(SECTION, kind.name, trial, "restart_ms")
            fenced = found.values(SECTION, kind.name, trial, "fenced")
            said = found.missing(SECTION, trial) or found.missing(SECTION, kind.name) or ""
            if fenced:
                said = f"fenced off {sum(fenced):.0f} of {len(fenced)}"
            if trial == COORDINATOR and values:
                said = ", ".join(f"{found.largest(SECTION, kind.name, trial, name):.0f} {name}"
                                 for name in ("lost", "rerun"))
            cells.append([kind.name, trial, str(len(values)),
                          *[table.number(measure.percentile(values, part), "{:,.1f}")
                            for part in (0.5, 0.99)],
                          table.number(max(values, default=None), "{:,.1f}"), said])
    return table.render(
        "failover: until the job runs elsewhere, ms", ["", "", "times", "p50", "p99", "max", ""],
        cells, [f"session_ttl: {SESSION_TTL_S:g} s",
                f"coordinator: until the first job is given again; {_SLOTS} slots, "
                f"{_backlog(bench):,} waiting; lost: not done in the end; rerun: given again after "
                "its end was acknowledged"])
