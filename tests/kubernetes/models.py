"""Whether Kubernetes would take an object, by the models that npm has of its API and of the custom
resources that we use. No field is unknown, none is missing, each has the right type."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from kubernetes import manifests
from style import npm

_HERE = os.path.dirname(os.path.realpath(__file__))
_CHECK_S_MAX = 300
_KUBERNETES = "kubernetes-models"
# Groups of custom resources, by the package that has them.
_PACKAGES = {
    "cert-manager.io": "@kubernetes-models/cert-manager",
    "keda.sh": "@kubernetes-models/keda",
    "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
    "postgresql.cnpg.io": "@kubernetes-models/cloudnative-pg",
}
_LINE = re.compile(r"^object(\d+)\.ts\(\d+,\d+\): error TS\d+: (.*)$")


def module(item):
    """Module of the model of an object."""
    group, _, version = item["apiVersion"].rpartition("/")
    package = _PACKAGES.get(group, _KUBERNETES)
    return "/".join(part for part in (package, group, version, item["kind"]) if part)


def problems(objects):
    """What is wrong, a line each that begins with the object's key."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(npm.modules(), os.path.join(folder, "node_modules"))
        return _unknown_fields(objects, folder) + _missing_and_wrong(objects, folder)


def _unknown_fields(objects, folder):
    names = []
    for number, item in enumerate(objects):
        names.append(f"object{number}.ts")
        kind = f"I{item['kind']}"
        with open(os.path.join(folder, names[-1]), "w", encoding="utf-8") as file:
            file.write(f"import type {{ {kind} }} from {json.dumps(module(item))};\n"
                       f"export const item: {kind} = {json.dumps(item, indent=1)};\n")
    done = subprocess.run(
        [npm.tool("tsc"), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
         "--module", "esnext", "--moduleResolution", "bundler", "--pretty", "false", *names],
        cwd=folder, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=_CHECK_S_MAX)
    lines = done.stdout.decode(errors="replace").splitlines()
    found = [match for match in map(_LINE.match, lines) if match]
    if done.returncode != 0 and not found:
        raise RuntimeError("tsc: " + "\n".join(lines))
    # tsc shows names as they are written here, which is in quotes.
    return [f"{manifests.key(objects[int(match[1])])}: {match[2]}".replace("'\"", "'")
            .replace("\"'", "'") for match in found]


def _missing_and_wrong(objects, folder):
    # Beside node_modules, where modules look for packages.
    shutil.copy(os.path.join(_HERE, "validate.mjs"), folder)
    asked = [{"name": manifests.key(item), "module": module(item), "type": item["kind"],
              "object": item} for item in objects]
    done = subprocess.run(["node", os.path.join(folder, "validate.mjs")], check=False,
                          input=json.dumps(asked).encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=_CHECK_S_MAX)
    if done.returncode != 0:
        raise RuntimeError("validate.mjs: " + done.stderr.decode(errors="replace"))
    return done.stdout.decode().splitlines()
