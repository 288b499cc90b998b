"""What lies on the disk, what the coordinator believes, and the difference."""

import os
import sqlite3
import stat

_GONE = (4, 5)  # EventKind: DELETE, MOVED_FROM
_ATTRIB = 6
_CREATE = 3
_UNSPECIFIED = 0  # Evidence
_IGNORED = (b".tmp", b".part", b"~")  # What writers use of the default list.

_NEWEST = """
SELECT path, kind, evidence, inode, size, mtime_ns FROM events JOIN files ON files.id = file_id
WHERE events.id IN (SELECT max(id) FROM events GROUP BY file_id)
"""
_REPEATED_JOBS = """
SELECT path, input_inode, input_size, input_mtime_ns, count(*)
FROM jobs JOIN files ON files.id = file_id
GROUP BY pipeline, file_id, input_inode, input_size, input_mtime_ns HAVING count(*) > 1
"""
_JOBS = """
SELECT path, input_inode, input_size, input_mtime_ns FROM jobs JOIN files ON files.id = file_id
"""


def on_disk(root):
    """Path: (inode, size, mtime in ns) of every regular file that is not ignored."""
    found = {}
    waiting = [os.fsencode(root)]
    start = len(waiting[0]) + 1
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = entry.path[start:]
                if entry.is_dir(follow_symlinks=False):
                    if path != b".closewrite":
                        waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and not path.endswith(_IGNORED):
                    found[path] = version_of(entry.stat(follow_symlinks=False))
    return found


def version_of(status):
    """What makes two files of one path different."""
    assert stat.S_ISREG(status.st_mode)
    return status.st_ino, status.st_size, status.st_mtime_ns


class Beliefs:
    """What the coordinator has recorded.

    Read from the SQLite file of a coordinator that was stopped cleanly, because the API would need
    minutes for a hundred thousand events.
    """

    def __init__(self, database):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            self.newest = {row[0]: row[1:] for row in connection.execute(_NEWEST)}
            self.repeated = list(connection.execute(_REPEATED_JOBS))
            self.jobs = set(connection.execute(_JOBS))
            self.events = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        finally:
            connection.close()


def differences(disk, beliefs, with_jobs=True):
    """Lines, one a difference; empty when all is well."""
    return sorted([*_missed(disk, beliefs), *_ghosts(disk, beliefs),
                   *(_without_job(disk, beliefs) if with_jobs else ()),
                   *(f"{row[4]} jobs of one version: {row[0]!r} {row[1:4]}"
                     for row in beliefs.repeated)])


def _missed(disk, beliefs):
    for path, version in disk.items():
        event = beliefs.newest.get(path)
        if event is None:
            yield f"never seen: {path!r} is {version}"
        elif event[0] in _GONE:
            yield f"believed gone: {path!r} is {version}, newest event is {event}"
        elif event[0] == _CREATE and event[1] == _UNSPECIFIED:
            yield f"not finished: {path!r} is {version}, newest event is {event}"
        elif event[2:] != version:
            yield f"old version: {path!r} is {version}, newest event is {event}"


def _ghosts(disk, beliefs):
    for path, event in beliefs.newest.items():
        if path not in disk and event[0] not in _GONE:
            yield f"believed there: {path!r}, newest event is {event}"


def _without_job(disk, beliefs):
    with_content = {row[:3] for row in beliefs.jobs}
    for path, version in disk.items():
        event = beliefs.newest.get(path)
        if event is None or event[0] in _GONE or event[2:] != version:
            continue  # Told above.
        # Times that were set later made no job of their own.
        has = ((path, *version[:2]) in with_content if event[0] == _ATTRIB
               else (path, *version) in beliefs.jobs)
        if not has:
            yield f"no job: {path!r} is {version}, newest event is {event}"
