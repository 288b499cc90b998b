"""All rules by name, and what running one gives."""

import contextlib
import io
import subprocess
import unittest

from style import self_test, source, text_rules, tool_rules


def _per_file(rule):
    def check(files):
        return [finding for file in files for finding in rule(file)]
    return check


def _whole_tidy(files):
    return list(tool_rules.clang_tidy(files, prefixes=("services/",)))


def _whole_tree(rule):
    def check(files):
        try:
            return list(rule(files))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            return [source.Finding(rule.__name__, 0, f"could not be checked: {error}")]
    return check


def rules():
    """Name -> function of all files that gives a list of findings, in the order to be run."""
    named = {rule.__name__: _per_file(rule) for rule in text_rules.PER_FILE}
    named.update({rule.__name__: _whole_tree(rule)
                  for rule in (*text_rules.WHOLE_TREE, *tool_rules.RULES)})
    return named


def extra_rules():
    """Rules that take too long for every day."""
    return {"clang_tidy_all": _whole_tidy}


def self_tests():
    """Name -> function that raises AssertionError when a rule could not fail any more."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(self_test)
    return {case.id().rpartition(".")[2]: lambda case=case: _run(case)
            for group in suite for case in group}


def _run(case):
    output = io.StringIO()
    with contextlib.redirect_stderr(output):
        result = unittest.TextTestRunner(stream=output, verbosity=0).run(case)
    if not result.wasSuccessful():
        raise AssertionError(output.getvalue())


def show(findings):
    """Lines for people."""
    return [f"{each.path}:{each.line}: {each.message}" for each in findings]


def all_files():
    """See source.files()."""
    return source.files()
