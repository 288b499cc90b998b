"""The judge of tasks that are killed at random can fail: each broken promise is found."""

import unittest

from kills import task_rig
from kills.task_line import line_of


def _written(times):
    return [task_rig.Note("WROTE", "1", "1", number, at) for number, at in enumerate(times)]


def _text(count):
    return "".join(f"{line_of(number)}\n" for number in range(count)).encode()


class TaskCheckerTest(unittest.TestCase):
    """Pure: what was seen goes in, what is wrong comes out."""

    needs_root = False

    def test_a_log_that_is_whole(self):
        written = _written([0.0, 0.5, 1.0, 1.9, 2.0])
        self.assertIsNone(task_rig.judge_log(_text(5), written))
        # The end may be missing, and a line be cut.
        self.assertIsNone(task_rig.judge_log(_text(2), written))
        self.assertIsNone(task_rig.judge_log(_text(3)[:-3], written))
        self.assertIsNone(task_rig.judge_log(b"", _written([0.0])))

    def test_a_log_that_has_lost_something(self):
        written = _written([0.0, 0.5, 1.0, 1.9, 2.0])
        self.assertIn("line 1 was written", task_rig.judge_log(_text(1), written))
        self.assertIn("line 1 was written", task_rig.judge_log(b"", written))
        without = _text(5).replace(f"{line_of(2)}\n".encode(), b"")
        self.assertIn("line 2 is", task_rig.judge_log(without, written))
        self.assertIn("line 5 is", task_rig.judge_log(_text(5) * 2, written))
        self.assertIn("begins as", task_rig.judge_log(_text(4) + b"other", written))

    def test_due_times(self):
        self.assertEqual(task_rig.judge_due([3.0, 4.0, 5.0], 6.4, True), [])
        self.assertEqual(task_rig.judge_due([3.0, 5.0, 5.0], 6.4, True), [
            ("double", "2 runs were due at 5"), ("forgotten", "no run was due at 4")])
        self.assertEqual(task_rig.judge_due([3.0, 5.0], 6.4, False), [])
        self.assertEqual(task_rig.judge_due([], 6.4, False), [("forgotten", "no run at all")])
