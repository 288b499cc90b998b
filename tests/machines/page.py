"""A page of docs/ whose commands are typed on machines, as its readers do.

    vm-a# systemctl start closewrite-coordinator       a command, on one machine
    both# tee /etc/some.conf <<'END'                   on each of them, with the lines up to END
    some = thing
    END
"""

import re

_PROMPT = re.compile(r"^    (?P<where>vm-a|vm-b|both)# (?P<command>.*)$")
_HEADING = re.compile(r"^##+ (?P<title>.*)$")
_MACHINES = ("vm-a", "vm-b")
_END = "    END"


def commands(path, section):
    """[(machine's name, command)] below one heading and before the next; ValueError: there are
    none."""
    found = []
    inside = open_ended = False
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        heading = _HEADING.match(line)
        prompt = _PROMPT.match(line)
        if heading and not open_ended:
            inside = heading["title"] == section
        elif inside and open_ended:
            found[-1][1] += "\n" + line[4:]
            open_ended = line != _END
        elif inside and prompt:
            found.append([prompt["where"], prompt["command"]])
            open_ended = "<<'END'" in line
    if not found:
        raise ValueError(f"{path}: no commands below '{section}'")
    return [(name, command) for where, command in found
            for name in (_MACHINES if where == "both" else (where,))]
