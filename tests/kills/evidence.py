"""What commands, recorder and writers have noted in one run, as it lies in a folder.

    journal-HOST   BEGIN t= job= token= attempt= host= executor= pid= locks= path= found=
                   END   t= job= token= pid= status=
    recorded       ALIVE (as BEGIN, without found=)      a command has connected
                   DEAD  t= seen= job= token= pid=       its end was noticed at t; alive at `seen`
                   LEFT  seen= job= token= pid=          it still lived when the recorder ended
                   MOVED_TO|CREATED|CLOSED|DELETED|MOVED_FROM|FOUND t= inode= size= mtime= path=
                   STARTED t=   OVERFLOW t=   FINISHED t=
    files          FILE path=             it is finished, so that it must have a result
    submitted      JOB job= path=         the fleet has said yes to it, so that the same holds

Times are nanoseconds of CLOCK_BOOTTIME. Nothing here comes from a coordinator.
"""

import collections
import glob
import os

# One command: `begin` is its own word, `end` that it was about to exit with `status`; it was
# certainly alive from `begin` to `alive_until`. `found` are those that it found alive: (name, job,
# token). `connected`: the recorder knows it.
Life = collections.namedtuple(
    "Life", "job token attempt host executor pid locks path begin end status alive_until found "
    "journalled connected left")

# Something that happened to a published name.
Sight = collections.namedtuple("Sight", "what at inode size mtime path")

_SIGHTS = ("MOVED_TO", "CREATED", "CLOSED", "DELETED", "MOVED_FROM", "FOUND")


class Evidence:
    """Everything of one run. `problems` are lines that can't be read, or must not be there."""

    def __init__(self, lives, sights, files, submitted, problems):
        self.lives = lives
        self.sights = sights
        self.files = files  # paths
        self.submitted = submitted  # (job, path)
        self.problems = problems


def read(folder):
    """The Evidence in a folder."""
    problems = []
    journal = []
    for path in sorted(glob.glob(os.path.join(folder, "journal-*"))):
        journal += _lines(path, ("BEGIN", "END"), problems)
    recorded = _lines(os.path.join(folder, "recorded"),
                      ("ALIVE", "DEAD", "LEFT", "STARTED", "OVERFLOW", "FINISHED", *_SIGHTS),
                      problems)
    if not recorded or recorded[-1][0] != "FINISHED":
        problems.append("the recorder did not finish")
    if any(kind == "OVERFLOW" for kind, _ in recorded):
        problems.append("the recorder has lost events")
    lives = _lives(journal, recorded, problems)
    sights = [Sight(kind, int(fields["t"]), int(fields["inode"]), int(fields["size"]),
                    int(fields["mtime"]), fields["path"])
              for kind, fields in recorded if kind in _SIGHTS]
    files = [fields["path"] for _, fields in _lines(os.path.join(folder, "files"), ("FILE",),
                                                    problems)]
    submitted = [(int(fields["job"]), fields["path"]) for _, fields in _lines(
        os.path.join(folder, "submitted"), ("JOB",), problems)]
    return Evidence(lives, sights, files, submitted, problems)


def _lines(path, kinds, problems):
    """(kind, fields) of every line; a file that is not there has none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        if not line.endswith("\n") or not words or words[0] not in kinds or not all(
                "=" in word for word in words[1:]):
            problems.append(f"{os.path.basename(path)}: a line that is none: {line!r}")
            continue
        found.append((words[0], dict(word.split("=", 1) for word in words[1:])))
    return found


def _key(fields):
    return int(fields["job"]), int(fields["token"]), int(fields["pid"])


def _lives(journal, recorded, problems):
    begins = {}
    connected = set()
    for kind, fields in [*recorded, *journal]:
        if kind == "ALIVE":
            connected.add(_key(fields))
            begins[_key(fields)] = fields
        elif kind == "BEGIN":
            if "found" in begins.get(_key(fields), {}):
                problems.append(f"two commands are the same: {fields}")
            begins[_key(fields)] = fields
    ends = {_key(fields): fields for kind, fields in journal if kind == "END"}
    deaths = {_key(fields): fields for kind, fields in recorded if kind in ("DEAD", "LEFT")}
    left = {_key(fields) for kind, fields in recorded if kind == "LEFT"}
    for key in [*ends, *deaths]:
        if key not in begins:
            problems.append(f"the end of a command that has not begun: {key}")
    return sorted((_life(fields, ends.get(key), deaths.get(key), key in connected, key in left)
                   for key, fields in begins.items()), key=lambda life: life.begin)


def _life(fields, end, death, connected, left):
    begin = int(fields["t"])
    ended = int(end["t"]) if end else None
    seen = int(death["seen"]) if death else 0
    return Life(
        int(fields["job"]), int(fields["token"]), int(fields["attempt"]), fields["host"],
        fields["executor"], int(fields["pid"]), tuple(filter(None, fields["locks"].split(","))),
        fields["path"], begin, ended, int(end["status"]) if end else None,
        max(begin, ended or 0, seen), tuple(map(_found, filter(None, fields.get(
            "found", "").split(",")))), "found" in fields, connected, left)


def _found(text):
    name, _, who = text.rpartition("/")
    job, token, _ = who.split(".")
    return name, int(job), int(token)
