"""The goals of durable jobs, and what came of them in this run."""

import collections

from bench import measure, table
from bench.queues import (by_hand, commands, drain, failover, floor, from_npm, growth,
                          latency, ours, submit, watched)

# `value` is None when what it needs was not measured.
Goal = collections.namedtuple("Goal", "number what value unit goal at_most")

_SYNCED = by_hand.Beanstalkd.name
_UNSYNCED = by_hand.BeanstalkdUnsynced.name
_PRODUCTS = (_SYNCED, from_npm.BullMq.name, from_npm.Graphile.name, from_npm.PgBoss.name)
_BY_ROWS = by_hand.RowLock.name
_LEASES = by_hand.Lease.name
_SQLITE = ours.Closewrite.name
_POSTGRES = ours.ClosewritePostgres.name
_TWO = ours.TwoCoordinators.name


def _over(value, reference):
    """How many times the reference; None when one is missing."""
    return value / reference if value is not None and reference else None


def _sum(*values):
    return None if any(value is None for value in values) else sum(values)


def _submitted(found):
    def rate(name, shape):
        return found.value(submit.SECTION, name, shape.label, "rate")

    batch, single = rate(_SQLITE, submit.THOUSAND), rate(_SQLITE, submit.SIXTY_FOUR)
    return [
        Goal("J1", "submit, 1,000 a call / PostgreSQL's unnest", _over(
            batch, rate(_BY_ROWS, submit.THOUSAND)), "x", 2, False),
        Goal("J1", "submit, 1,000 a call / best durable product", _over(batch, found.best(
            submit.SECTION, _PRODUCTS, [submit.THOUSAND.label])), "x", 6, False),
        Goal("J1", "submit, 1,000 a call / bare SQLite in groups of 512", _over(
            batch, found.value(floor.SECTION, floor.INSERT, 512, "rate")), "x", 0.8, False),
        Goal("J4", f"64 single submits in flight / {_SYNCED}", _over(
            single, rate(_SYNCED, submit.SIXTY_FOUR)), "x", 12, False),
        Goal("J4", "64 single submits in flight / best durable peer", _over(single, found.best(
            submit.SECTION, [*_PRODUCTS, _BY_ROWS], [submit.SIXTY_FOUR.label])), "x", 3, False),
    ]


def _drained(found):
    def rate(name, slots):
        return found.value(drain.SECTION, name, slots, "rate")

    sixteen, many = rate(_SQLITE, 16), rate(_SQLITE, 256)
    leases = found.best(drain.SECTION, [_LEASES], (4, 16))
    return [
        Goal("J2", f"drain, 16 slots / {_SYNCED}", _over(sixteen, rate(_SYNCED, 16)), "x", 8,
             False),
        Goal("J2", f"drain, 16 slots / {_BY_ROWS}", _over(sixteen, rate(_BY_ROWS, 16)), "x", 10,
             False),
        Goal("J2", f"drain, 16 slots / {_UNSYNCED}, not synced", _over(
            sixteen, rate(_UNSYNCED, 16)), "x", 1.5, False),
        Goal("J2b", f"drain, 256 slots / {_LEASES}, at their best", _over(many, leases), "x", 1.5,
             False),
        Goal("J2b", f"drain, 256 slots / {from_npm.GraphilePrefetch.name}", _over(
            many, found.best(drain.SECTION, [from_npm.GraphilePrefetch.name], (4, 16))), "x", 7,
             False),
        Goal("J5", f"drain with PostgreSQL, at its best / {_LEASES}, at their best", _over(
            found.best(drain.SECTION, [_POSTGRES], drain.SLOTS), leases), "x", 0.7, False),
        Goal("J5", "drain with PostgreSQL, 16 slots each, two coordinators / one", _over(
            rate(_TWO, 16), rate(_POSTGRES, 16)), "x", 1.3, False),
        Goal("J9", "server CPU a drained job, 16 slots", found.value(
            drain.SECTION, _SQLITE, 16, "server_us"), "us", 25, True),
    ]


def _watched(found):
    plain, scraped, elsewhere, all_of_it = (kind.name for kind in watched.KINDS)
    return [Goal("J11", f"drain, {slots} slots, {what} / neither", _over(
        found.value(watched.SECTION, name, slots, "rate"),
        found.value(watched.SECTION, plain, slots, "rate")), "x", 0.95, False)
            for slots in watched.SLOTS
            for what, name in (("metrics", scraped), ("metrics and points", elsewhere),
                               ("metrics and InfluxDB beside it", all_of_it))] + [
        Goal("J11", f"commands, {what} / neither", _over(
            found.value(commands.SECTION, name, commands.SLOTS, "rate"),
            found.value(commands.SECTION, plain, commands.SLOTS, "rate")), "x", 0.95, False)
        for what, name in (("metrics", scraped), ("metrics and points", elsewhere),
                           ("metrics and InfluxDB beside it", all_of_it))]


def _waited(found):
    def idle(section, name, case=latency.IDLE, part="p50_us"):
        return found.value(section, name, case, part)

    ours_p50 = idle(latency.SECTION, _SQLITE)
    parts = _sum(idle(floor.SECTION, floor.SYNC, floor.IDLE),
                 idle(floor.SECTION, floor.ECHO, floor.IDLE))
    half = [found.value(latency.SECTION, _SQLITE, latency.HALF, part)
            for part in ("p50_us", "p99_us", "ack_max_us")]
    return [
        Goal("J3", f"idle, submission to start, p50 / {_SYNCED}", _over(
            ours_p50, idle(latency.SECTION, _SYNCED)), "x", 1.0, True),
        Goal("J3", "idle, submission to start, p50 / (fdatasync + stream, from idle)", _over(
            ours_p50, parts), "x", 1.3, True),
        Goal("J3", "idle, submission to start, p99 / p50", _over(
            idle(latency.SECTION, _SQLITE, part="p99_us"), ours_p50), "x", 2, True),
        Goal("J10", "half load, submission to start, p99 / p50", _over(half[1], half[0]), "x", 4,
             True),
        Goal("J10", "half load, slowest acknowledgement (no commit is slower)", None
             if half[2] is None else half[2] / 1000, "ms", 20, True),
    ]


def _failed_over(found):
    def values(trial, name="restart_ms"):
        return found.values(failover.SECTION, _SQLITE, trial, name)

    fenced = values(failover.SILENT, "fenced")
    killed = {name: max(values(failover.COORDINATOR, name), default=None)
              for name in ("lost", "rerun")}
    return [
        Goal("J6", f"{failover.EXECUTOR}: p99 until it runs elsewhere", measure.percentile(
            values(failover.EXECUTOR), 0.99), "ms", 10, True),
        Goal("J6", "silent executor: longest until it runs elsewhere", max(
            values(failover.SILENT), default=None), "ms",
             (failover.SESSION_TTL_S + 0.2) * 1000, True),
        Goal("J6", "silent executor that comes back: fenced off", _over(
            100.0 * sum(fenced), len(fenced)), "%", 100, False),
        Goal("J8", "jobs lost by a killed coordinator, these few times", killed["lost"], "", 0,
             True),
        Goal("J8", "jobs run again after their acknowledgement", killed["rerun"], "", 0, True),
    ]


def _grown(found, size):
    def weight(name):
        value = found.value(growth.SECTION, _SQLITE, size, name)
        return value / size if value is not None else None

    def restart(name):
        return found.value(growth.SECTION, _SQLITE, "restart", name)

    return [
        Goal("J7", f"memory a waiting job, {size:,} waiting", weight("memory"), "bytes", 80, True),
        Goal("J7", f"disk a waiting job, {size:,} waiting / PostgreSQL by hand", _over(
            weight("disk"), found.value(growth.SECTION, _BY_ROWS, "weight", "disk")), "x", 0.3,
             True),
        Goal("J7", f"cost a drained job, {size:,} waiting / {growth.SMALL:,} waiting", found.value(
            growth.SECTION, _SQLITE, ("cost", size), "ratio"), "x", 1.2, True),
        Goal("J8", f"killed with {size:,} waiting: accepts again", restart("accepts_s"), "s", 0.5,
             True),
        Goal("J8", f"killed with {size:,} waiting: dispatches again", restart("dispatches_s"), "s",
             1.0, True),
    ]


def judge(bench):
    """All goals."""
    found = bench.results
    goals = [*_submitted(found), *_drained(found), *_watched(found), *_waited(found),
             *_failed_over(found), *_grown(found, growth.sizes(bench)[-1])]
    return sorted(goals, key=lambda goal: int(goal.number.strip("Jb")))


def as_data(goals):
    """For JSON."""
    return [{**goal._asdict(), "met": None if goal.value is None else
             table.verdict(goal.value, goal.goal, goal.at_most) == "met"} for goal in goals]


def text(goals, quick):
    """Their table."""
    cells, notes = [], [
        "J5, inserts without notifications, needs a coordinator that sends none; J8 in 200 kills "
        "and in power failures is a test of its own"]
    if quick:
        notes.append("--quick: so little work says nothing of speed")
    for goal in goals:
        form = "{:,.2f}" if goal.unit == "x" else "{:,.1f}"
        sign = "<=" if goal.at_most else ">="
        cells.append([goal.number, goal.what, table.number(goal.value, form + goal.unit),
                      f"{sign} {goal.goal:g}{goal.unit}",
                      table.verdict(goal.value, goal.goal, goal.at_most)])
    return table.render("goals", ["", "", "measured", "goal", ""], cells, notes)
