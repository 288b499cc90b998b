"""What bash, zsh and fish make of the completion scripts, in real shells with the real program."""

import os
import pty
import select
import subprocess
import time

from e2e import case
from hosts import fleet

_SHELL_S_MAX = 60.0
_PIPELINES = """
pipelines:
  - name: copy
    on: {{volume: unenriched, match: ["copy/**"]}}
    run: {{command: [cp, "--", "{{input}}", "{{output}}"]}}
    publish: {{volume: enriched}}
"""

# Words as bash splits them: at = and : too. The last one is completed.
_BASH = """
source <(closewrite completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_closewrite
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = "closewrite completion fish | source; complete -C $argv[1]"
_ZSH = "PS1='> '; autoload -U compinit; compinit -u -D; source <(closewrite completion zsh)\n"


class CompletionTest(case.FleetCase):
    """Scripts are sourced as their users do; one fleet answers for live names."""

    needs_root = False
    pipelines = _PIPELINES

    def setUp(self):
        super().setUp()
        folder = os.path.join(self.folder, "bin")
        os.makedirs(folder)
        os.symlink(fleet.program("cli"), os.path.join(folder, "closewrite"))
        self._environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}",
                             "HOME": self.folder, "TERM": "dumb",
                             "CLOSEWRITE_COORDINATOR": self.fleet.address,
                             **self.fleet.environment("viewer")}

    def _lines(self, *args):
        done = subprocess.run(self.at_keyboard(args), env=self._environment, cwd=self.folder,
                              check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=_SHELL_S_MAX)
        return done.stdout.decode().splitlines()

    def _bash(self, *words):
        return sorted(self._lines("bash", "--norc", "-c", _BASH, "bash", "closewrite", *words))

    def _fish(self, line):
        return sorted(word.split("\t")[0] for word in
                      self._lines("fish", "--no-config", "-c", _FISH, "closewrite " + line))

    def test_bash(self):
        case.write(os.path.join(self.folder, "a file.csv"), b"x")
        for words, wanted in (
                (["jo"], ["job", "job-log", "jobs"]),
                (["pipeline", "de"], ["delete"]),
                (["logs", "--tim"], ["--timeout", "--timestamps"]),
                (["jobs", "--state", "=", "s"], ["scheduled", "succeeded"]),
                (["jobs", "--state", "failed,ca"], ["failed,cancelled"]),
                (["jobs", "--color", "="], ["always", "auto", "never"]),
                (["report", "-o", ""], ["html", "json"]),
                (["pipeline", "delete", ""], ["copy"]),
                (["--coordinator", "127.0.0.1", ":", "1", "pipeline", "delete", ""], [""]),
                (["flush", ""], ["enriched", "unenriched"]),
                (["submit", "a"], ["a file.csv"])):
            with self.subTest(words=words):
                self.assertEqual(self._bash(*words), wanted)

    def test_fish(self):
        for line, wanted in (
                ("jo", ["job", "job-log", "jobs"]),
                ("pipeline de", ["delete"]),
                ("jobs --state=s", ["--state=scheduled", "--state=succeeded"]),
                ("pipeline delete ", ["copy"])):
            with self.subTest(line=line):
                self.assertEqual(self._fish(line), wanted)

    def test_zsh(self):
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            argv = self.at_keyboard(["/usr/bin/env", "zsh", "-f", "-i"])
            os.execve(argv[0], argv, self._environment)
        try:
            os.write(terminal, _ZSH.encode())
            for line, wanted in (("vers\t", "closewrite version"),
                                 ("jobs --state sch\t", "--state scheduled"),
                                 ("pipeline delete \t", "delete copy"),
                                 ("jobs --state s\t\t", "succeeded")):
                os.write(terminal, b"\x15closewrite " + line.encode())  # Ctrl-U clears the line
                self.assertIn(wanted, _read_until(terminal, wanted))
        finally:
            os.close(terminal)  # hangs the shell up
            os.waitpid(child, 0)


def _read_until(terminal, part):
    """What a shell writes, until `part` stands there or it says nothing more."""
    text = ""
    until = time.monotonic() + _SHELL_S_MAX
    while part not in text and time.monotonic() < until:
        if select.select([terminal], [], [], until - time.monotonic())[0]:
            text += os.read(terminal, 1 << 16).decode(errors="replace").replace("\a", "")
    return text
