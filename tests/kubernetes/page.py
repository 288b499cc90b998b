"""The commands of docs/kubernetes.md, and what can be said of each without a cluster."""

import functools
import os
import re
import shlex
import subprocess

import yaml

from hosts import fleet
from kubernetes import manifests, tools
from style import source

_PAGE = os.path.join(source.ROOT, "docs", "kubernetes.md")
_CONFIGS = os.path.join(manifests.FOLDER, "base", "fleet", "config")
_COMMAND_S_MAX = 60
# Programs that lines begin with; other indented lines are YAML.
_PROGRAMS = ("chmod", "closewrite", "grpcurl", "helm", "install", "kubectl")
# Subcommands of kubectl that need a cluster, and that is why they are not run here.
ONLINE = ("apply", "create", "delete", "exec", "get", "label", "logs", "port-forward", "rollout",
          "scale", "wait")
_OBJECT = re.compile(r"^(statefulset|deployment|service|job)/([a-z-]+)$")


def _lines():
    """What stands in the page's blocks."""
    with open(_PAGE, encoding="utf-8") as file:
        return [line[4:].rstrip() for line in file if line.startswith("    ")]


def kustomization():
    """The page's example of somebody's own kustomization, with our folders beside it."""
    lines = _lines()
    begin = lines.index("# kustomization.yaml")
    end = next(at for at, line in enumerate(lines[begin:], begin) if line.startswith("kubectl"))
    text = re.sub(r"github\.com/\S+/deploy/kubernetes/(\S+)\?ref=v[0-9.]+", r"../\1",
                  "\n".join(lines[begin:end]))
    return yaml.safe_load(text)


def pipes():
    """What follows `kubectl get` in lines that look into its answer, for a shell."""
    found = [line.partition(" | ")[2] for line in _lines() if line.startswith("kubectl get secret")]
    return [rest.partition(" | kubectl")[0].partition(" > ")[0] for rest in found]


def commands():
    """Each command of the page as a list of words, pipes and redirections cut off."""
    found = []
    for line in _lines():
        for part in line.split(" | "):
            words = shlex.split(part.partition(" > ")[0], comments=True)
            if words and words[0] in _PROGRAMS:
                found.append(words)
    return found


def problem(words):
    """What is wrong with a command, or None."""
    return {"kubectl": _kubectl, "helm": _helm, "closewrite": _closewrite,
            "grpcurl": _grpcurl, "install": _install}.get(words[0], lambda _: None)(words)


def _runs(words):
    code, _, wrong = tools.run(words, cwd=source.ROOT)
    return wrong or (f"exit code {code}" if code else None)


def _kubectl(words):
    verb = words[1]
    if verb == "kustomize":
        return _runs(words)
    if verb not in ONLINE:
        return f"{verb}: is neither run nor known"
    if "--kustomize" in words:
        path = words[words.index("--kustomize") + 1]
        wrong = _runs(["kubectl", "kustomize", path])
        if wrong:
            return wrong
    for word in words:
        match = _OBJECT.match(word)
        if match and match[2] not in _names(match[1]):
            return f"{word}: there is no such object"
    cut = words.index("--") if "--" in words else len(words)
    if "--" in words:
        inside = _closewrite(words[cut + 1:])
        if inside:
            return inside
    # Flags are looked at before the help is shown.
    return _misses(words) or _runs([*words[:cut], "--help"])


def _misses(words):
    """What a command names that no manifest has."""
    verb = words[1]
    if verb == "port-forward":
        service = next(word for word in words if word.startswith("service/")).partition("/")[2]
        port = int(next(word for word in words if re.match(r"^\d+:\d+$", word)).split(":")[1])
        ports = {each["port"] for item in _objects() if item["kind"] == "Service"
                 and item["metadata"]["name"] == service for each in item["spec"]["ports"]}
        return None if port in ports else f"{service}: has no port {port}"
    if verb == "create" and "secret" in words:
        name = words[words.index("generic") + 1]
        key = next(word for word in words if word.startswith("--from-file=")).partition("=")[2]
        wanted = yaml.safe_dump([template for _, template in manifests.pod_templates(_objects())])
        if name not in wanted:
            return f"{name}: no pod has this Secret"
        return None if re.search(rf"\b{key}\b", wanted) else f"{name}: nobody reads {key} of it"
    if verb == "label" and "node" in words:
        key, _, value = words[-1].partition("=")
        return None if any(template["spec"].get("nodeSelector", {}).get(key) == value
                           for _, template in manifests.pod_templates(_objects())) else (
                               f"{words[-1]}: no pod is for nodes with this label")
    if "--namespace" in words:
        namespace = words[words.index("--namespace") + 1]
        if namespace not in {item["metadata"]["name"] for item in _objects()
                             if item["kind"] == "Namespace"}:
            return f"{namespace}: there is no such namespace"
    return None


def _install(words):
    """Folders that are made on a node: those that its watcher mounts, for its user."""
    options, folders = dict(zip(words[1:], words[2:])), [
        word for word in words if word.startswith("/")]
    if (options.get("-o"), options.get("-g")) != ("7400", "7400"):
        return "the watcher is user 7400"
    mounted = {volume["hostPath"]["path"] for _, template in manifests.pod_templates(_objects())
               for volume in template["spec"]["volumes"] if "hostPath" in volume}
    unknown = [folder for folder in folders if folder not in mounted]
    return f"{unknown[0]}: no pod mounts it" if unknown else None


@functools.lru_cache(maxsize=None)
def _objects():
    return [item for path in ("overlays/embedded", "overlays/postgresql", "restore")
            for item in manifests.kustomize(path)]


@functools.lru_cache(maxsize=None)
def _names(kind):
    return {item["metadata"]["name"] for item in _objects() if item["kind"].lower() == kind}


def _helm(words):
    if words[1] == "template":
        return _runs(words)
    if words[1] not in ("install", "upgrade"):
        return f"{words[1]}: is neither run nor known"
    settings = [part for at, word in enumerate(words) if word in ("--set", "--set-file")
                for part in (word, re.sub(r"=(\w+)\.yaml$", rf"={_CONFIGS}/\1.yaml",
                                          words[at + 1]))]
    rendered = _runs(["helm", "template", *words[2:4], *settings])
    return rendered or _runs([*words, "--help"])


def _closewrite(words):
    shown = subprocess.run([fleet.program("cli"), words[1], "--help"], check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=_COMMAND_S_MAX)
    text = shown.stdout.decode()
    if shown.returncode != 0:
        return text
    unknown = [word for word in words[2:] if word.startswith("--") and word not in text]
    return f"{words[1]} does not know {unknown[0]}" if unknown else None


def _grpcurl(words):
    if words[-1] == "list":
        return None
    package, _, rest = words[-1].rpartition(".")
    service, _, call = rest.partition("/")
    folder = os.path.join(source.ROOT, "proto", *package.split("."))
    text = ""
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text += file.read()
    found = re.search(rf"^service {service} {{(.*?)^}}", text, re.MULTILINE | re.DOTALL)
    if found and f"rpc {call}(" in found[1]:
        return None
    return f"{words[-1]}: there is no such call"
