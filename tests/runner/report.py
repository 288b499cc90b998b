"""Counts test cases and prints a line for each."""

import sys


class Report:
    """Not thread-safe."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = 0

    def case(self, name, problem=None, seconds=None):
        """One test case; `problem` is None when it passed, else why it failed."""
        took = "" if seconds is None else f"  {seconds:.2f} s"
        if problem is None:
            self.passed += 1
            print(f"ok    {name}{took}", flush=True)
            return
        self.failed.append(name)
        print(f"FAIL  {name}{took}", flush=True)
        for line in problem.rstrip().splitlines():
            print(f"      | {line}", flush=True)

    def skip(self, name, reason):
        """One that was not run, which is neither passed nor failed."""
        self.skipped += 1
        print(f"skip  {name}  {reason}", flush=True)

    def adopt(self, line):
        """Counts and prints a line that another Report has printed."""
        if line.startswith("ok    "):
            self.passed += 1
        elif line.startswith("FAIL  "):
            self.failed.append(line[6:].split("  ")[0])
        elif line.startswith("skip  "):
            self.skipped += 1
        print(line, flush=True)

    def note(self, text):
        """A line that is no test."""
        print(f"-- {text}", flush=True)

    def finish(self):
        """Prints the sum. Returns the exit code."""
        if self.failed:
            print("failed:", *self.failed, sep="\n  ", file=sys.stderr, flush=True)
        if self.skipped:
            self.note(f"{self.skipped} skipped")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
