"""The manual page, as the programs that show it judge it."""

import subprocess
import unittest

from hosts import fleet

_TOOL_S_MAX = 60.0


class ManualTest(unittest.TestCase):
    """Made by the program itself."""

    needs_root = False

    def test_it_can_be_typeset(self):
        page = subprocess.run([fleet.program("cli"), "__man"], check=True, timeout=_TOOL_S_MAX,
                              stdout=subprocess.PIPE).stdout
        for judge in (["mandoc", "-Tlint", "-Wwarning"], ["mandoc", "-Tutf8", "-Wwarning"]):
            with self.subTest(judge=judge):
                done = subprocess.run(judge, input=page, check=False, timeout=_TOOL_S_MAX,
                                      capture_output=True)
                self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
