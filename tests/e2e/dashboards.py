"""Grafana's dashboards, read as Grafana reads them: panels, queries, and what variables become."""

import json
import os
import subprocess
import tempfile

from e2e import case
from style import npm

FOLDER = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "deploy", "grafana",
                                       "dashboards"))
_CHECK_S_MAX = 180
# The types of dashboard_types.ts, by what a dashboard asks.
_TYPES = {"prometheus": "PrometheusBoard", "influxdb": "InfluxBoard"}


class Query:
    """One query of one panel; `text` has Grafana's variables in it."""

    def __init__(self, panel, target):
        self.panel = panel["title"]
        self.text = target.get("expr") or target["query"]
        self.legend = target.get("legendFormat", target.get("alias"))
        self.instant = target.get("instant", False)

    def with_values(self, values):
        """The text with values in the place of variables, the longest names first."""
        text = self.text
        for name in sorted(values, key=len, reverse=True):
            text = text.replace("$" + name, values[name])
        return text


class Dashboard:
    """One file. `kind` is what it asks: `prometheus` or `influxdb`."""

    def __init__(self, kind):
        self.kind = kind
        self.path = os.path.join(FOLDER, f"closewrite-{kind}.json")
        with open(self.path, encoding="utf-8") as file:
            self.json = json.load(file)
        self.rows = [each for each in self.json["panels"] if each["type"] == "row"]
        self.panels = [each for each in self.json["panels"] if each["type"] != "row"]
        self.variables = {each["name"]: each for each in self.json["templating"]["list"]}

    def queries(self):
        """All of all panels."""
        return [Query(panel, target) for panel in self.panels for target in panel["targets"]]

    def typescript(self):
        """The file as a constant of its type."""
        name = _TYPES[self.kind]
        return (f"import type {{{name}}} from './dashboard_types';\n"
                f"export const board: {name} = {json.dumps(self.json)};\n")


def type_errors(sources):
    """What Grafana's types have against TypeScript sources, {name: text}, as the compiler prints
    it."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(npm.modules(), os.path.join(folder, "node_modules"))
        files = {f"{name}.ts": text for name, text in sources.items()}
        with open(os.path.join(case.SCRIPTS, "dashboard_types.ts"), encoding="utf-8") as types:
            files["dashboard_types.ts"] = types.read()
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run(
            [npm.tool("tsc"), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
             "--module", "esnext", "--moduleResolution", "bundler", *files],
            cwd=folder, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_CHECK_S_MAX)
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0 and not text:
        raise RuntimeError(f"tsc has exited with {done.returncode}")
    return text


def promql_errors(expressions):
    """For each what Prometheus' grammar has against it, or None."""
    done = subprocess.run(["node", os.path.join(case.SCRIPTS, "promql.js")], check=True,
                          input=json.dumps(expressions).encode(), stdout=subprocess.PIPE,
                          env={**os.environ, "NODE_PATH": npm.modules()}, timeout=_CHECK_S_MAX)
    return json.loads(done.stdout)
