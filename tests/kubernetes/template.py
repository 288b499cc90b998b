"""YAML of Kubernetes' objects with Go's template actions in it.

An action stands in an object as a word; when the YAML is written, the word's line becomes the
action.
"""

import re

import yaml

_LINE = re.compile(r"^(?P<before> *(?:- )?)(?:(?P<key>[^ :]+): )?(?:- )?ACTION(?P<number>\d+)$")
_WORD = re.compile(r"ACTION(\d+)")


class Template:
    """Objects that become one file of a chart."""

    def __init__(self):
        self._actions = []
        self._parts = []

    def _word(self, kind, *arguments):
        self._actions.append((kind, *arguments))
        return f"ACTION{len(self._actions) - 1}"

    def value(self, expression):
        """A scalar that is `expression`."""
        return self._word("value", expression)

    def value_if(self, condition, expression):
        """A field that is there on a condition; `expression` is text as YAML has it."""
        return self._word("value_if", condition, expression)

    def block(self, expression):
        """A field, or the rest of a list, that is what `expression` is."""
        return self._word("block", expression)

    def add(self, item, condition=None):
        """One object, which is there on a condition."""
        text = yaml.safe_dump(item, width=10000, allow_unicode=True, sort_keys=False)
        lines = [self._line(line) for line in text.splitlines()]
        if condition:
            lines = [f"{{{{- if {condition} }}}}", "---", *lines, "{{- end }}"]
        else:
            lines = ["---", *lines]
        self._parts += lines

    def text(self):
        """The file."""
        return "\n".join(self._parts) + "\n"

    def _line(self, line):
        match = _LINE.match(line)
        if match is None:
            # Inside of a longer text.
            return _WORD.sub(lambda word: f"{{{{ {self._actions[int(word[1])][1]} }}}}", line)
        kind, *arguments = self._actions[int(match["number"])]
        before, key = match["before"], match["key"]
        if kind == "value":
            return f"{before}{f'{key}: ' if key else ''}{{{{ {arguments[0]} }}}}"
        if kind == "value_if":
            condition, expression = arguments
            return (f"{' ' * len(before)}{{{{- if {condition} }}}}\n{before}{key}: {expression}\n"
                    f"{' ' * len(before)}{{{{- end }}}}")
        indent = len(before) + 2 if key else len(before.rstrip("- ")) or before.find("-")
        head = f"{before}{key}:\n" if key else ""
        return f"{head}{' ' * indent}{{{{- toYaml {arguments[0]} | nindent {indent} }}}}"
