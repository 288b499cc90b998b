"""Where functions begin and end."""

import ast
import re

from style import source

_TEMPLATE = re.compile(r"template\s*<[^<>]*(?:<[^<>]*(?:<[^<>]*>[^<>]*)*>[^<>]*)*>")
_BEFORE_FUNCTION = re.compile(r"\s*(?:(?:public|private|protected)\s*:\s*)?")
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def cpp_functions(text):
    """(first line, last line, lines of tables) of every function at namespace or class level."""
    text = re.sub(r"^[ \t]*#.*$", lambda match: " " * len(match.group()),
                  source.without_comments(text), flags=re.MULTILINE)
    found = []
    scopes = []  # True for each open brace that functions may stand in.
    head_start = 0
    function = None  # (depth, first line) of the function that we are in.
    tables = []  # (depth, first line) of the initialiser that we are in; its lines are data.
    table_lines = 0
    for at in (match.start() for match in re.finditer(r"[{};]", text)):
        character = text[at]
        if character == "{":
            head = text[head_start:at]
            opens = _opens_scope(head)
            if function is None and not opens and not head.rstrip().endswith("="):
                blank = _BEFORE_FUNCTION.match(head).end()
                function = (len(scopes), text.count("\n", 0, head_start + blank) + 1)
                table_lines = 0
            elif function is not None and not tables and head.rstrip().endswith("="):
                tables.append((len(scopes), text.count("\n", 0, at)))
            scopes.append(opens)
        elif character == "}" and scopes:
            scopes.pop()
            if tables and tables[0][0] == len(scopes):
                table_lines += text.count("\n", 0, at) - tables.pop()[1]
            if function is not None and function[0] == len(scopes):
                found.append((function[1], text.count("\n", 0, at) + 1, table_lines))
                function = None
        head_start = at + 1
    return found


def _opens_scope(head):
    head = _TEMPLATE.sub("", head)
    match = _SCOPE.search(head)
    return bool(match) and "(" not in head[:match.start()] and (
        "(" not in head or head[match.start():].startswith(("class", "namespace")))


def python_functions(text):
    """(first line, last line, 0) of every function."""
    return [(node.lineno, node.end_lineno, 0) for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def shell_functions(text):
    """(first line, last line, 0) of every function, from `name() {` to `}` at the line's start."""
    found = []
    first = None
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"[a-z_]+\(\) \{$", line):
            first = number
        elif line == "}" and first is not None:
            found.append((first, number, 0))
            first = None
    return found
