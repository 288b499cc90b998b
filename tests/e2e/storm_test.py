"""Short storms on the watcher; `tests/campaign watch` has the long ones."""

import unittest

from e2e import case
from hosts import run_folder
from storm import flood, kills, storms, warm

_STORM_SIZE = flood.Size(4_000, 20)
_STORM_SLICES = 8
_QUEUE_EVENTS_MAX = 16
_KILL_SIZE = flood.Size(3_000, 20)
_KILLS = 15
_WARM_FILES = 20_000


class StormCase(unittest.TestCase):
    """A test in a folder of its own."""

    without_tls = "the storms have services of their own, without certificates"
    needs_root = False

    def setUp(self):
        folder = run_folder.RunFolder("storm")
        self.addCleanup(folder.close)
        self.folder = folder.path


class StormsTest(StormCase):
    """What the coordinator believes in the end is what lies on the disk."""

    def test_watcher_killed(self):
        kills.killed(self.folder, case.seed(), _KILL_SIZE, _KILLS)

    def test_unchanged_tree_announces_nothing(self):
        warm.warm(self.folder, _WARM_FILES)


class ShortQueueTest(StormCase):
    """As root, because the kernel's queue is made shorter."""

    needs_root = True

    def test_queue_overflows(self):
        numbers = storms.storm(self.folder, case.seed(), _STORM_SIZE, _QUEUE_EVENTS_MAX,
                               slices=_STORM_SLICES)
        self.assertGreater(numbers["overflows"], 0)
