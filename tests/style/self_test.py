"""Shows that every rule of tests/tidy can fail, and that it lets the right thing pass."""

import os
import tempfile
import unittest

from style import functions, source, text_rules, tool_rules
from style.source import File

_TASK = "TO" "DO"
_CC = "services/watcher/ledger.cc"
_LONG_BODY = "  step();\n" * 75

# Rule: ((path, text that breaks it), (path, text that keeps it)).
_EXAMPLES = {
    text_rules.columns: ((_CC, "int x;" + " " * 95 + "// y\n"), (_CC, "x" * 100 + "\n")),
    text_rules.function_length: (
        (_CC, "namespace a {\ntemplate <class T>\nvoid F(T) {\n" + _LONG_BODY + "}\n}\n"),
        (_CC, "namespace a {\n" + "void F() {\n  step();\n}\n" * 40 + "}\n")),
    text_rules.file_length: ((_CC, "int x;\n" * 501), (_CC, "int x;\n" * 500)),
    text_rules.room_names: (("services/common/x.h", ""), ("services/commons/x.h", "")),
    text_rules.bare_tasks: ((_CC, f"// {_TASK}: later\n"), (_CC, f"// {_TASK}(ada): later\n")),
    text_rules.machine_paths: (
        ("README.md", "see /ro" "ot/x\n"), ("README.md", "see /srv/work/x\n")),
    text_rules.service_borders: (
        (_CC, '#include "services/executor/slots.h"\n'),
        (_CC, '#include "services/clock/clock.h"\n')),
    text_rules.banned_calls: (
        (_CC, "void F() { absl::SleepFor(d); }\n"),
        (_CC, '// sleep( is banned\nauto x = "sleep(";\n')),
    text_rules.include_guards: (
        ("services/log/log.h", "#ifndef LOG_H\n#define LOG_H\n"),
        ("services/log/log.h", "#ifndef SERVICES_LOG_LOG_H_\n#define SERVICES_LOG_LOG_H_\n")),
    text_rules.whitespace: ((_CC, "int x; \n"), (_CC, "int x;\n")),
    text_rules.scripts: (
        ("tests/x", "#!/usr/bin/env python3\n"), ("tests/x", "#!/usr/bin/python3\nprint()\n")),
    text_rules.npm_pins: (
        ("tests/package.json", '{"dependencies": {"a": "^1.0.0"}}\n'),
        ("tests/package.json", '{"dependencies": {"a": "1.0.0"}}\n')),
}

_MORE_BREACHES = (
    (text_rules.function_length, "x.py", "def f():\n" + "    g()\n" * 75),
    (text_rules.function_length, "x.sh", "f() {\n" + "  g\n" * 75 + "}\n"),
    (text_rules.function_length, _CC, "A::A(int x)\n    : x_{x} {\n" + _LONG_BODY + "}\n"),
    (text_rules.banned_calls, _CC, "void F() { system(line); }\n"),
    (text_rules.banned_calls, _CC, "auto now = absl::Now();\n"),
    (text_rules.banned_calls, _CC, "std::cout << 1;\n"),
    (text_rules.room_names, "tests/string_util.py", ""),
    (text_rules.whitespace, _CC, "int x;"),
    (text_rules.whitespace, _CC, "int x;\n\n"),
    (text_rules.whitespace, _CC, "\tint x;\n"),
    (text_rules.scripts, "x.py", "def f(:\n"),
    (text_rules.scripts, "x.sh", "if true; then\n"),
    (text_rules.npm_pins, "tests/package-lock.json", '{"a": {"resolved": "u"}}\n'),
    (text_rules.columns, "proto/x.proto", "// " + "x" * 100 + "\n"),
)


def _found(rule, path, text):
    return list(rule(File(path, text)))


class TidyTest(unittest.TestCase):
    """One case a kind of rule."""

    def test_every_rule_has_an_example(self):
        self.assertEqual(set(_EXAMPLES), set(text_rules.PER_FILE))

    def test_breaches_are_found(self):
        for rule, (breach, _) in _EXAMPLES.items():
            self.assertTrue(_found(rule, *breach), rule.__name__)
        for rule, path, text in _MORE_BREACHES:
            self.assertTrue(_found(rule, path, text), f"{rule.__name__}: {text[:60]!r}")

    def test_what_is_right_passes(self):
        for rule, (_, right) in _EXAMPLES.items():
            self.assertEqual(_found(rule, *right), [], rule.__name__)

    def test_functions_are_measured_to_the_line(self):
        text = ("class A {\n public:\n  int f() const { return 1; }\n};\n"
                "const int kTable[] = {\n  1,\n};\n\nstruct stat G(int x) {\n  if (x) {\n  }\n}\n")
        self.assertEqual(functions.cpp_functions(text), [(3, 3, 0), (9, 12, 0)])

    def test_lines_of_tables_do_not_count(self):
        text = ("void F() {\n  const Case kCases[] = {\n" + "    {1, {2}},\n" * 90 + "  };\n"
                "  for (;;) {\n  }\n}\n")
        self.assertEqual(functions.cpp_functions(text), [(1, 96, 91)])
        self.assertEqual(_found(text_rules.function_length, _CC, text), [])

    def test_missing_readme_is_found(self):
        build = File("services/watcher/BUILD", "")
        readme = File("services/watcher/README.md", "")
        self.assertEqual(len(list(text_rules.readmes([build]))), 1)
        self.assertEqual(list(text_rules.readmes([build, readme])), [])

    def test_threats_that_no_test_holds_are_found(self):
        files = [File("services/a/b_test.cc", "TEST(BTest, Holds) {}\n"),
                 File("tests/e2e/c_test.py", "class CTest:\n    def test_d(self): pass\n"),
                 File("tests/fuzz/e_fuzz.cc", "")]
        row = "| threat | guard | {} |\n"

        def found(held_by):
            page = File("docs/threats.md", row.format("held by") + row.format(held_by))
            return [each.message for each in text_rules.threats([*files, page])]

        self.assertEqual(found("`b_test Holds`; `e2e CTest.test_d`; `fuzz e`, `fuzz`"), [])
        for wrong in ("b_test Hold", "c_test", "e2e CTest.test_e", "e2e DTest", "fuzz f", "a/b"):
            self.assertEqual(found(f"`b_test`, `{wrong}`"), [f"there is no test `{wrong}`"])
        self.assertEqual(found("nothing"), ["name the test that holds it"])

    def test_unbuilt_file_is_found(self):
        files = [File(_CC, ""), File("services/watcher/ledger.h", "")]
        found = list(tool_rules.unbuilt(files, built=["//services/watcher:ledger.cc"]))
        self.assertEqual([each.path for each in found], ["services/watcher/ledger.h"])

    def test_core_that_reaches_grpc_is_found(self):
        # The transport library is made of gRPC, so the query has to find a path from there.
        found = list(tool_rules.core_is_pure([], core=["//services/transport/..."]))
        self.assertTrue(any("@debian//:grpc++" in each.message for each in found))


class ToolTest(unittest.TestCase):
    """The foreign tools are there and complain when they should."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)

    def _write(self, name, text):
        path = os.path.join(self._folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return File(os.path.relpath(path, source.ROOT), text)

    def test_clang_format(self):
        file = self._write("x.cc", "int  x ;\n")
        self.assertTrue(list(tool_rules.clang_format([file])))

    def test_clang_tidy(self):
        file = self._write("x.cc", "#include <string>\n#include <utility>\n"
                           "size_t F(std::string a) {\n  std::string b = std::move(a);\n"
                           "  return a.size() + b.size();\n}\n")
        found = list(tool_rules.clang_tidy([file], prefixes=("",)))
        self.assertTrue(any("use-after-move" in each.message for each in found), found)

    def test_buildifier(self):
        file = self._write("BUILD", "filegroup(name='x')\n")
        self.assertTrue(list(tool_rules.buildifier([file])))

    def test_buf(self):
        self._write("buf.yaml", "version: v2\nlint:\n  use: [STANDARD]\n")
        self._write("x.proto", 'syntax = "proto3";\nmessage lower { int32  x = 1; }\n')
        self.assertTrue(list(tool_rules.buf_lint([], module=self._folder.name)))
        self.assertTrue(list(tool_rules.buf_format([], module=self._folder.name)))
