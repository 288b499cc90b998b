"""Kubernetes' objects: rendered by kustomize or helm, and read."""

import copy
import functools
import glob
import os
import re
import shutil
import tempfile

import yaml

from kubernetes import tools
from style import source

FOLDER = os.path.join(source.ROOT, "deploy", "kubernetes")
CHART = os.path.join(source.ROOT, "deploy", "helm", "closewrite")
STORES = ("embedded", "postgresql")
# How kustomize ends the name of a generated ConfigMap: a digest of its content.
_DIGEST = re.compile(r"-[a-z0-9]{10}$")


def overlays():
    """What can be applied as it is: relative paths in deploy/kubernetes."""
    found = [os.path.relpath(os.path.dirname(path), FOLDER)
             for folder in ("overlays/*", "examples/*", "restore")
             for path in glob.glob(os.path.join(FOLDER, folder, "kustomization.yaml"))]
    return sorted(found)


def components():
    """Names of all components."""
    return sorted(os.path.basename(os.path.dirname(path)) for path in
                  glob.glob(os.path.join(FOLDER, "components", "*", "kustomization.yaml")))


@functools.lru_cache(maxsize=None)
def kustomize(path):
    """The objects that a folder of deploy/kubernetes gives, in order; not to be changed."""
    return _rendered(["kubectl", "kustomize", os.path.join(FOLDER, path)])


def composed(overlay, names):
    """The objects of an overlay with components; not to be changed."""
    return _composed(overlay, tuple(names))


@functools.lru_cache(maxsize=None)
def _composed(overlay, names):
    return kustomization({"resources": [f"../{overlay}"],
                          "components": [f"../components/{name}" for name in names]})


def kustomization(wanted, files=()):
    """The objects that a kustomization of somebody's own gives, in a folder beside ours with copies
    of `files`."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FOLDER, os.path.join(folder, "kubernetes"))
        target = os.path.join(folder, "kubernetes", "composed")
        os.mkdir(target)
        for path in files:
            shutil.copy(path, target)
        with open(os.path.join(target, "kustomization.yaml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(wanted, file)
        return _rendered(["kubectl", "kustomize", target])


def helm(*args, namespace="closewrite"):
    """The objects that the chart gives with further arguments of `helm template`."""
    return _rendered(["helm", "template", "closewrite", CHART, "--namespace", namespace, *args])


def _rendered(command):
    code, output, problem = tools.run(command)
    if code != 0 or problem:
        raise RuntimeError(f"{' '.join(command)}: {problem or 'it failed'}")
    return load(output)


def load(text):
    """The objects in YAML, of which none may be there twice."""
    found = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each is not None]
    names = [key(each) for each in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise RuntimeError(f"twice: {sorted(twice)}")
    return found


def one(objects, name):
    """The one of them with that key."""
    [found] = [item for item in objects if key(item) == name]
    return found


def config(item_or_path):
    """What a YAML file of a service, or the only one of a ConfigMap, says."""
    if isinstance(item_or_path, dict):
        [text] = item_or_path["data"].values()
    else:
        with open(item_or_path, encoding="utf-8") as file:
            text = file.read()
    return yaml.safe_load(text)


def key(item):
    """Kind, namespace and name of an object: `StatefulSet closewrite/closewrite-coordinator`."""
    metadata = item["metadata"]
    return f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def without_digests(objects):
    """The same objects with ConfigMaps under the names that their generators have."""
    names = {item["metadata"]["name"]: _DIGEST.sub("", item["metadata"]["name"])
             for item in objects if item["kind"] == "ConfigMap"}
    return [changed(item, lambda text: names.get(text, text)) for item in objects]


def changed(value, change):
    """A copy in which `change` was applied to every string, names of fields apart."""
    if isinstance(value, dict):
        return {name: changed(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [changed(each, change) for each in value]
    return change(value) if isinstance(value, str) else copy.copy(value)


def pod_templates(objects):
    """(key of the object, its pod template) of all that make pods."""
    for item in objects:
        spec = item.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec and "containers" in spec["template"].get("spec", {}):
            yield key(item), spec["template"]


def containers(template):
    """All containers of a pod template, sidecars too."""
    spec = template["spec"]
    return spec.get("initContainers", []) + spec["containers"]
