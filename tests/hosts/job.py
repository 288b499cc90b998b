"""A job as `closewrite jobs -o json` prints it."""

import base64
import collections
import datetime

# `path` is bytes, None when the job has no file; times are seconds since 1970, None when they are
# not set.
Job = collections.namedtuple(
    "Job", "id pipeline state path observed_at started_at finished_at token executor message row")


def path_of(row):
    """Bytes of the path in a row that has `path`, and `path_base64` when that is not the name."""
    if "path_base64" in row:
        return base64.b64decode(row["path_base64"])
    return row["path"].encode()


def _seconds(text):
    if not text:
        return None
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def parse(row):
    """A Job from one row of NDJSON."""
    return Job(int(row["id"]), row["pipeline"], row["state"],
               path_of(row["input"]) if row["input"] else None,
               _seconds(row["observed_at"]), _seconds(row["started_at"]),
               _seconds(row["finished_at"]), row["token"], row["executor"], row["message"], row)
