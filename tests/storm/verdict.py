"""Whether a run was right, and what is kept when it was not."""

import contextlib
import os
import shutil
import tempfile
import time

from storm import truth

_SHOWN_MAX = 20


class Wrong(AssertionError):
    """What the coordinator believes is not what happened."""


def compare(rig, with_jobs=True):
    """Flushes, stops both services, and compares. Returns numbers for people."""
    started = time.monotonic()
    rig.flush()
    flushed = time.monotonic() - started
    overflows = sum(volume.get("overflows", 0) for volume in [rig.status() or {}])
    rig.stop()
    disk = truth.on_disk(rig.volume)
    with open(os.path.join(rig.folder, "truth"), "w", encoding="ascii") as file:
        file.writelines(f"{path!r} {version}\n" for path, version in sorted(disk.items()))
    beliefs = truth.Beliefs(rig.database)
    lines = truth.differences(disk, beliefs, with_jobs)
    with open(os.path.join(rig.folder, "differences"), "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
    if lines:
        raise Wrong(f"{len(lines)} differences between disk and coordinator:\n"
                    + "\n".join(lines[:_SHOWN_MAX]))
    return {"files": len(disk), "paths": len(beliefs.newest), "events": beliefs.events,
            "jobs": len(beliefs.jobs), "overflows": overflows, "flush_s": round(flushed, 1)}


@contextlib.contextmanager
def kept(rig, name):
    """What is needed to understand a failure inside is copied to a folder that the error names."""
    try:
        yield
    except Exception as error:
        folder = tempfile.mkdtemp(prefix=f"storm-failed-{name}-")
        # Logs and databases, as they lie there; the files of the volume are in `truth`.
        shutil.copytree(rig.folder, folder, dirs_exist_ok=True, symlinks=True,
                        ignore=shutil.ignore_patterns("volume", "outside"))
        raise Wrong(f"{error}\nkept: {folder}") from error
