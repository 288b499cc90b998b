"""The checker of random kills can fail: hand-made evidence of each broken promise is found."""

import os
import socket
import subprocess
import sys
import unittest
import zlib

from e2e import case
from hosts import process, run_folder
from kills import checker

_KILLS = os.path.join(os.path.dirname(case.SCRIPTS), "kills")
_MS = 1_000_000
_WAIT_S_MAX = 30.0


class Story:
    """A run as it is written down by hand. What is not said is as it should be."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "evidence")
        self.published = os.path.join(folder, "published")
        os.makedirs(self.folder)
        os.makedirs(self.published)
        self._note("recorded", "STARTED t=1")

    def _note(self, name, line):
        with open(os.path.join(self.folder, name), "a", encoding="ascii") as file:
            file.write(line + "\n")

    def command(self, path, job, token, ms, locks="", status=0, **strange):
        """A command that lived from ms[0] to ms[1]. `strange`: `found`, `killed`: no END;
        `unknown`: not to the recorder; `left`: not dead; `silent`: no BEGIN; `pid`."""
        begin, end = (each * _MS for each in ms)
        me = f"job={job} token={token} pid={strange.get('pid', token + 100 * job)}"
        told = (f"t={begin} {me} attempt={token} host=cw-b executor=cw-b-1 locks={locks} "
                f"path={path}")
        if not strange.get("unknown"):
            self._note("recorded", f"ALIVE {told}")
            self._note("recorded", f"LEFT seen={end} {me}" if strange.get("left") else
                       f"DEAD t={end + 5 * _MS} seen={end} {me}")
        if not strange.get("silent"):
            self._note("journal-cw-b", f"BEGIN {told} found={strange.get('found', '')}")
        if not strange.get("killed"):
            self._note("journal-cw-b", f"END t={end} {me} status={status}")

    def publish(self, path, content, job, token):
        """A result appears."""
        full = os.path.join(self.published, path)
        case.write(full, content[::-1] + f"\njob={job} token={token} attempt=1\n".encode())
        self.sight("MOVED_TO", path)

    def sight(self, what, path, inode=None):
        """What the recorder sees of a name."""
        status = os.stat(os.path.join(self.published, path))
        self._note("recorded", f"{what} t=5 inode={inode or status.st_ino} size={status.st_size} "
                   f"mtime={status.st_mtime_ns} path={path}")

    def file(self, path):
        """A file was finished."""
        self._note("files", f"FILE path={path}")

    def submitted(self, path, job):
        """A submission was acknowledged."""
        self._note("submitted", f"JOB job={job} path={path}")

    def note(self, line):
        """A line of the recorder's."""
        self._note("recorded", line)

    def check(self, finished=True, **capacities):
        """Kinds of what the checker finds, in order, without repetitions."""
        if finished:
            self._note("recorded", "FINISHED t=9")
        findings, _ = checker.check(self.folder, self.published, capacities)
        return sorted({finding.kind for finding in findings})


def name_of(content, folder="plain"):
    """The path of a file that holds `content`."""
    return f"{folder}/{zlib.crc32(content):08x}-{len(content)}-plain-1"


class CheckerTest(unittest.TestCase):
    """Each test is a run in which one promise was kept or broken."""

    needs_root = False

    def setUp(self):
        folder = run_folder.RunFolder("checker")
        self.addCleanup(folder.close)
        self.story = Story(folder.path)
        self.content = b"a file"
        self.path = name_of(self.content)

    def whole(self, job=1, token=1, path=None, ms=(10, 20), **options):
        """A file, its command, its result, all well."""
        path = path or self.path
        self.story.file(path)
        self.story.command(path, job, token, ms, **options)
        self.story.publish(path, self.content, job, token)

    def test_all_is_well(self):
        """Also when an attempt was killed, another failed, and the third made the result."""
        self.story.command(self.path, 1, 1, (10, 20), killed=True)
        self.story.command(self.path, 1, 2, (21, 30), status=75)
        self.whole(token=3, ms=(31, 40), locks="picky")
        other = name_of(self.content, "other")
        self.story.command(other, 2, 1, (40, 50), locks="picky")
        self.story.submitted(other, 2)
        self.story.publish(other, self.content, 2, 1)
        self.assertEqual(self.story.check(), [])

    def test_file_lost(self):
        self.story.file(self.path)
        self.story.command(self.path, 1, 1, (10, 20))
        self.assertEqual(self.story.check(), ["lost"])

    def test_submission_lost(self):
        self.story.submitted(self.path, 1)
        self.assertEqual(self.story.check(), ["lost"])

    def test_published_again(self):
        self.whole()
        self.story.sight("MOVED_TO", self.path, inode=4711)
        self.assertEqual(self.story.check(), ["twice"])

    def test_same_inode_published_again(self):
        self.whole()
        self.story.sight("MOVED_TO", self.path)
        self.assertEqual(self.story.check(), ["twice"])

    def test_written_in_place(self):
        self.whole()
        self.story.sight("CLOSED", self.path)
        self.assertEqual(self.story.check(), ["twice"])

    def test_deleted(self):
        self.whole()
        self.story.sight("DELETED", self.path)
        self.assertEqual(self.story.check(), ["twice"])

    def test_replaced_unseen(self):
        self.whole()
        path = os.path.join(self.story.published, self.path)
        content = case.read(path)
        os.rename(path, path + "-old")
        case.write(path, content)
        os.unlink(path + "-old")
        self.assertEqual(self.story.check(), ["twice"])

    def test_two_jobs_of_one_file(self):
        self.story.command(self.path, 2, 1, (1, 5))
        self.whole()
        self.assertEqual(self.story.check(), ["twice"])

    def test_two_attempts_alive(self):
        """The first was killed, but only while the second was running."""
        self.story.command(self.path, 1, 1, (10, 32), killed=True)
        self.whole(token=2, ms=(31, 40))
        self.assertEqual(self.story.check(), ["alive"])

    def test_two_attempts_overlap_by_their_own_words(self):
        self.story.command(self.path, 1, 1, (10, 32), status=75, unknown=True)
        self.whole(token=2, ms=(31, 40))
        self.assertEqual(self.story.check(), ["alive", "apparatus"])

    def test_attempt_found_alive(self):
        """The recorder was too slow to know, the second attempt was not."""
        self.story.command(self.path, 1, 1, (10, 20), killed=True)
        self.whole(token=2, ms=(31, 40), found="job-1/1.1.101,")
        self.assertEqual(self.story.check(), ["alive"])

    def test_lock_over_capacity(self):
        self.story.command(self.path, 1, 1, (10, 20), locks="other,picky", status=1)
        self.whole(job=2, path=name_of(self.content, "b"), ms=(15, 30), locks="picky")
        self.whole(token=2, ms=(40, 50))
        self.assertEqual(self.story.check(), ["locks"])

    def test_lock_holder_found(self):
        self.whole(locks="picky")
        self.whole(job=2, path=name_of(self.content, "b"), ms=(21, 30), locks="picky",
                   found="lock-picky/1.1.101,")
        self.assertEqual(self.story.check(), ["locks"])

    def test_lock_of_two(self):
        """Two holders are right, three are not."""
        for job in (1, 2):
            self.whole(job=job, path=name_of(self.content, f"b{job}"), ms=(10 + job, 30),
                       locks="pair")
        self.assertEqual(self.story.check(pair=2), [])
        self.story.note("STARTED t=1")
        self.whole(job=3, path=name_of(self.content, "b3"), ms=(20, 30), locks="pair")
        self.assertEqual(self.story.check(pair=2), ["locks"])

    def test_token_falls(self):
        self.story.command(self.path, 1, 2, (1, 5), status=75)
        self.whole(ms=(10, 20))
        self.assertEqual(self.story.check(), ["content", "tokens"])

    def test_token_twice(self):
        """One lease ran two times."""
        self.story.command(self.path, 1, 1, (1, 5), status=75, pid=7)
        self.whole()
        self.assertEqual(self.story.check(), ["tokens"])

    def test_result_of_an_old_attempt(self):
        self.story.file(self.path)
        self.story.command(self.path, 1, 1, (10, 20))
        self.story.command(self.path, 1, 2, (30, 40), killed=True)
        self.story.publish(self.path, self.content, 1, 1)
        self.assertEqual(self.story.check(), ["content"])

    def test_result_of_an_attempt_that_failed(self):
        self.whole(status=75)
        self.assertEqual(self.story.check(), ["content"])

    def test_half_a_result(self):
        self.story.file(self.path)
        self.story.command(self.path, 1, 1, (10, 20))
        self.story.publish(self.path, self.content[:3], 1, 1)
        self.assertEqual(self.story.check(), ["content"])

    def test_result_that_nobody_asked_for(self):
        self.story.command(self.path, 1, 1, (10, 20))
        self.story.publish(self.path, self.content, 1, 1)
        self.assertEqual(self.story.check(), ["content"])

    def test_gaps_in_the_evidence(self):
        """Each of them alone is told."""
        strange = {"unknown to the recorder": {"unknown": True}, "still alive": {"left": True},
                   "an end without a begin": {"silent": True}}
        for name, options in strange.items():
            with self.subTest(name):
                self.setUp()
                self.whole(**options)
                self.assertEqual(self.story.check(), ["apparatus"])
        for name, line in {"overflow": "OVERFLOW t=3", "a torn line": "DEAD t=5 se",
                           "no command": "DEAD t=5 seen=3 job=8 token=1 pid=4"}.items():
            with self.subTest(name):
                self.setUp()
                self.whole()
                self.story.note(line)
                self.assertEqual(self.story.check(), ["apparatus"])
        with self.subTest("the recorder was killed"):
            self.setUp()
            self.whole()
            self.assertEqual(self.story.check(finished=False), ["apparatus"])
        with self.subTest("a result appeared unseen"):
            self.setUp()
            self.story.file(self.path)
            self.story.command(self.path, 1, 1, (10, 20))
            case.write(os.path.join(self.story.published, self.path),
                       self.content[::-1] + b"\njob=1 token=1 attempt=1\n")
            self.assertEqual(self.story.check(), ["apparatus"])

    def test_program(self):
        """tests/kills/check says it, and exits with 1."""
        self.whole()
        self.story.check()
        for broken in (False, True):
            if broken:
                self.story.submitted("plain/lost", 5)
            done = subprocess.run(
                [sys.executable, os.path.join(_KILLS, "check"), self.story.folder,
                 self.story.published], check=False, capture_output=True, timeout=_WAIT_S_MAX)
            self.assertEqual(done.returncode, int(broken), done.stderr)
            self.assertEqual(b"plain/lost" in done.stdout, broken)


class WitnessesTest(unittest.TestCase):
    """The command and the recorder see what they are there for, without any fleet."""

    needs_root = False

    def setUp(self):
        folder = run_folder.RunFolder("witnesses")
        self.addCleanup(folder.close)
        self.folder = folder.path
        self.evidence = folder.make("evidence")
        folder.make("evidence", "alive")
        self.published = folder.make("published")
        self.command = os.path.join(self.folder, "command")
        subprocess.run(["gcc", "-o", self.command, os.path.join(_KILLS, "command.c")], check=True)
        self.recorder = subprocess.Popen(
            [sys.executable, os.path.join(_KILLS, "recorder"), self.evidence, self.published],
            preexec_fn=process.die_with_parent)
        self.addCleanup(self.end)
        process.until(lambda: "STARTED" in self.recorded(), _WAIT_S_MAX, "the recorder")
        content = b"content"
        self.input = os.path.join(self.folder, f"{zlib.crc32(content):08x}-7-plain-1")
        case.write(self.input, content)

    def end(self):
        """Ends the recorder, which is to end well."""
        self.recorder.terminate()
        self.assertEqual(self.recorder.wait(_WAIT_S_MAX), 0)

    def recorded(self):
        """What the recorder has noted."""
        path = os.path.join(self.evidence, "recorded")
        return case.read(path).decode() if os.path.exists(path) else ""

    def start(self, token, ms_max, output):
        """Starts a command, as an executor would. Returns it once it has begun."""
        started = subprocess.Popen(
            [self.command, self.evidence, str(ms_max), "picky"],
            env={"CLOSEWRITE_JOB": "1", "CLOSEWRITE_TOKEN": str(token), "CLOSEWRITE_ATTEMPT": "1",
                 "CLOSEWRITE_PATH": "plain/x", "CLOSEWRITE_INPUT": self.input,
                 "CLOSEWRITE_NAME": os.path.basename(self.input), "CLOSEWRITE_OUTPUT": output,
                 "KILLS_EXECUTOR": "e"}, preexec_fn=process.die_with_parent)
        self.addCleanup(started.kill)
        journal = os.path.join(self.evidence, f"journal-{socket.gethostname()}")
        process.until(lambda: os.path.exists(journal) and
                      f" token={token} ".encode() in case.read(journal), _WAIT_S_MAX,
                      "a command")
        return started

    def test_second_attempt_beside_the_first(self):
        """The second finds the first, the recorder sees both, and the checker says so."""
        output = os.path.join(self.folder, "output")
        first = self.start(1, 100_000_000, output)
        second = self.start(2, 0, output)
        self.assertEqual(second.wait(_WAIT_S_MAX), 0)
        first.kill()
        first.wait(_WAIT_S_MAX)
        process.until(lambda: self.recorded().count("DEAD") == 2, _WAIT_S_MAX, "two deaths")
        self.end()
        findings, numbers = checker.check(self.evidence, self.published)
        self.assertEqual([each.kind for each in findings], ["alive", "locks"], findings)
        self.assertEqual((numbers["attempts"], numbers["cut_short"]), (2, 1))
        journal = case.read(os.path.join(self.evidence, f"journal-{socket.gethostname()}"))
        self.assertIn(f"found=job-1/1.1.{first.pid},lock-picky/1.1.{first.pid},",
                      journal.decode())
        self.assertEqual(case.read(output), b"tnetnoc\njob=1 token=2 attempt=1\n")

    def test_one_after_the_other(self):
        """A killed attempt and its successor break nothing."""
        output = os.path.join(self.folder, "output")
        first = self.start(1, 100_000_000, output)
        first.kill()
        first.wait(_WAIT_S_MAX)
        self.assertEqual(self.start(2, 0, output).wait(_WAIT_S_MAX), 0)
        os.makedirs(os.path.join(self.published, "plain"))
        os.rename(output, os.path.join(self.published, "plain", os.path.basename(self.input)))
        process.until(lambda: self.recorded().count("DEAD") == 2 and "path=plain/" in
                      self.recorded(), _WAIT_S_MAX, "two deaths and a result")
        self.end()
        findings, _ = checker.check(self.evidence, self.published)
        # Only that nobody had asked for it, and that it is not of the path of the commands.
        self.assertEqual({each.kind for each in findings}, {"content"}, findings)
