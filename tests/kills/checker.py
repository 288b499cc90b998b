"""Judges one run by its evidence and the published files alone.

Every rule is one of the promises: nothing that was acknowledged is lost, one result each, one live
attempt a job, no lock over capacity, tokens that rise.
"""

import collections
import os
import re
import zlib

from kills import evidence as evidences

_NAME = re.compile(r"([0-9a-f]{8})-(\d+)-")
_TRAILER = re.compile(rb"\njob=(\d+) token=(\d+) attempt=(\d+)\n\Z")
_APPEARED = ("MOVED_TO", "CREATED", "FOUND")
_VANISHED = ("DELETED", "MOVED_FROM")

KINDS = {
    "lost": "acknowledged jobs without a result",
    "twice": "published twice",
    "alive": "two live attempts",
    "locks": "lock over capacity",
    "tokens": "tokens that do not rise",
    "content": "results that are not what they should be",
    "apparatus": "gaps in the evidence",
}

Finding = collections.namedtuple("Finding", "kind text")


def _find(kind, text):
    assert kind in KINDS
    return Finding(kind, text)


def check(folder, published, capacities=None):
    """(findings, numbers) of the run whose evidence lies in `folder` and whose results lie in
    `published`. `capacities`: lock -> how many may hold it; 1 where it is not said."""
    evidence = evidences.read(folder)
    results = _results(published)
    findings = [_find("apparatus", problem) for problem in evidence.problems]
    for rule in (_apparatus, _tokens, _alive):
        findings += rule(evidence.lives)
    findings += _locks(evidence.lives, capacities or {})
    findings += _lost(evidence, results)
    findings += _twice(evidence.sights, results)
    for path, content in sorted(results.items()):
        findings += _content(path, content, evidence)
    numbers = {"files": len(evidence.files), "submitted": len(evidence.submitted),
               "results": len(results), "attempts": len(evidence.lives),
               "cut_short": sum(life.end is None for life in evidence.lives)}
    return findings, numbers


def _results(root):
    """Path: (status, content) of every published file."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == root and ".closewrite" in folders:
            folders.remove(".closewrite")
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = (os.stat(path), file.read())
    return found


def _told(life):
    return (f"job {life.job} token {life.token} ({life.executor} on {life.host}, pid {life.pid}, "
            f"{life.path})")


def _apparatus(lives):
    for life in lives:
        if not life.connected:
            yield _find("apparatus", f"the recorder does not know {_told(life)}")
        if life.left:
            yield _find("apparatus", f"still alive at the end: {_told(life)}")
        if life.end is not None and not life.journalled:
            yield _find("apparatus", f"an END without a BEGIN: {_told(life)}")


def _jobs(lives):
    """Job: its lives, in the order in which they began."""
    jobs = collections.defaultdict(list)
    for life in lives:
        jobs[life.job].append(life)
    return jobs


def _tokens(lives):
    for job, attempts in _jobs(lives).items():
        for before, after in zip(attempts, attempts[1:]):
            if after.token <= before.token:
                yield _find("tokens", f"job {job}: token {before.token}, and "
                            f"{(after.begin - before.begin) / 1e6:.1f} ms later {after.token}")


def _overlap_ms(first, second):
    """How long both were certainly alive; `second` began last. Not positive: it is not certain."""
    return (min(first.alive_until, second.alive_until) - second.begin) / 1e6


def _overlapping(attempts, name):
    """Pairs of lives, and how it is known: one found the other, or their times say so."""
    for at, second in enumerate(attempts):
        for first in attempts[:at]:
            if first.alive_until > second.begin:
                yield first, second, f"for {_overlap_ms(first, second):.1f} ms"
            elif (name, first.job, first.token) in second.found:
                yield first, second, "the second found the first alive"
            elif (name, second.job, second.token) in first.found:
                yield first, second, "the first found the second alive"


def _alive(lives):
    for job, attempts in _jobs(lives).items():
        for first, second, how in _overlapping(attempts, f"job-{job}"):
            yield _find("alive", f"{_told(first)} and {_told(second)}: {how}")


def _locks(lives, capacities):
    held = collections.defaultdict(list)
    for life in lives:
        for lock in life.locks:
            held[lock].append(life)
    for lock, holders in held.items():
        with_others = collections.defaultdict(list)
        for first, second, how in _overlapping(holders, f"lock-{lock}"):
            with_others[second].append(f"{_told(first)}: {how}")
        for holder, others in with_others.items():
            # Attempts of one job at one time are told by another rule, and hold the lock as well.
            if len(others) + 1 > capacities.get(lock, 1):
                yield _find("locks", f"{lock}: {_told(holder)} beside " + "; ".join(others))


def _lost(evidence, results):
    wanted = {path: None for path in evidence.files}
    wanted.update({path: job for job, path in evidence.submitted})
    for path, job in sorted(wanted.items()):
        if path not in results:
            whose = f" of job {job}" if job else ""
            tried = [f"{life.token}:{'killed' if life.end is None else life.status}"
                     for life in evidence.lives if life.path == path]
            yield _find("lost", f"no result{whose} for {path}; its attempts: {tried}")
    for path in sorted(set(results) - set(wanted)):
        yield _find("content", f"a result that nobody asked for: {path}")


def _twice(sights, results):
    appeared = collections.defaultdict(list)
    for sight in sights:
        if sight.what in _APPEARED:
            appeared[sight.path].append(sight)
        elif sight.what in _VANISHED:
            yield _find("twice", f"{sight.path} was taken away again: {sight}")
        else:
            yield _find("twice", f"{sight.path} was written in place: {sight}")
    for path, seen in appeared.items():
        # A FOUND may be the same that an event tells as well.
        if len({sight.inode for sight in seen}) > 1 or (
                sum(sight.what != "FOUND" for sight in seen) > 1):
            yield _find("twice", f"{path} appeared {len(seen)} times: {seen}")
        elif path in results and seen[0].inode != 0:
            status = results[path][0]
            if (status.st_ino, status.st_mtime_ns) != (seen[0].inode, seen[0].mtime):
                yield _find("twice", f"{path} was replaced: {seen[0]}, now inode {status.st_ino}, "
                            f"mtime {status.st_mtime_ns}")
    for path in sorted(set(results) - set(appeared)):
        yield _find("apparatus", f"the recorder has not seen {path} appear")


def _content(path, result, evidence):
    content = result[1]
    name = _NAME.match(os.path.basename(path))
    trailer = _TRAILER.search(content)
    if name is None or trailer is None:
        yield _find("content", f"{path} ends with {content[-60:]!r}")
        return
    body = content[:trailer.start()][::-1]
    if len(body) != int(name[2]) or zlib.crc32(body) != int(name[1], 16):
        yield _find("content", f"{path} has {len(body)} bytes that its input did not have")
    job, token = int(trailer[1]), int(trailer[2])
    attempts = [life for life in evidence.lives if life.path == path]
    jobs = {life.job for life in attempts} | {each for each, submitted in evidence.submitted
                                             if submitted == path} | {job}
    if len(jobs) > 1:
        yield _find("twice", f"{path} is the work of several jobs: {sorted(jobs)}")
    newest = max((life.token for life in attempts if life.job == job), default=0)
    if token != newest:
        yield _find("content", f"{path} is from token {token}, the newest is {newest}")
    if not any(life.token == token and life.job == job and life.status == 0 for life in attempts):
        yield _find("content", f"{path} is from an attempt that did not succeed: job {job} token "
                    f"{token}")
