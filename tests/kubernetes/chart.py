"""The Helm chart, made of what kustomize renders, so that the two can't differ.

What a cluster decides - images, numbers of replicas, resources, volumes, configuration - becomes a
value, whose default is what kustomize has there.
"""

import json
import os
import re

import yaml

from kubernetes import manifests, template
from style import source

_SERVICES = ("coordinator", "executor", "portal", "watcher")
# Values that switch a component on.
COMPONENTS = {"keda": "keda", "hpa": "hpa", "cloudNativePg": "cloudnative-pg",
              "certificates": "certificates", "monitoring": "monitoring", "ingress": "ingress",
              "backup": "backup"}
# Written by hand: neither made nor compared.
BY_HAND = ("templates/NOTES.txt", "templates/checks.yaml")
_NAMESPACES = {"closewrite": ".Release.Namespace",
               "closewrite-watchers": ".Values.watcher.namespace"}
_NAMESPACE_FIELDS = ("namespace", "kubernetes.io/metadata.name")
_SERVICE_NAME = "closewrite-coordinator.closewrite.svc"
_CONFIGS = {"plain": "base/{}/config", "tls": "components/certificates/config"}
_SCALED = "or .Values.keda .Values.hpa"
# What values say in the files that services have by default.
_CONFIG_VALUES = {
    "executor": ' | replace "labels: [cluster]" (printf "labels: [%s]" '
                '(.Values.executor.labels | replace "," ", ")) '
                '| replace "slots: 4" (printf "slots: %v" .Values.executor.slots)',
    "portal": ' | replace "portal.example.org" .Values.portal.host',
}
# Of the volumes of a pod these are the last; what they are a cluster decides.
_VOLUMES = ("unenriched", "enriched")


def version():
    """Of services/version/version.h."""
    with open(os.path.join(source.ROOT, "services", "version", "version.h"),
              encoding="utf-8") as file:
        return re.search(r'kVersion = "([^"]+)"', file.read())[1]


def overlay_of(component):
    """An overlay that the component fits."""
    needs_database = component == "cloudnative-pg"
    return "overlays/postgresql" if needs_database else "overlays/embedded"


def _image(service):
    return (f'.Values.{service}.image | default (printf "%sclosewrite/{service}:%s" '
            f".Values.image.registry (.Values.image.tag | default .Chart.AppVersion)) | quote")


def _config(service):
    path = f'printf "files/%s/{service}.yaml" (ternary "tls" "plain" .Values.certificates)'
    name = 'printf "closewrite-coordinator.%s.svc" .Release.Namespace'
    ours = f'.Files.Get ({path}){_CONFIG_VALUES.get(service, "")}'
    return f'.Values.config.{service} | default ({ours}) | replace "{_SERVICE_NAME}" ({name})'


class _Maker:
    """Puts actions into one object."""

    def __init__(self, made):
        self.made = made

    def item(self, item):
        """A copy of the object with actions in it."""
        item = self._named(manifests.changed(item, str))
        for part in (self._config_map, self._claims, self._scaler, self._workload):
            part(item)
        return item

    def _named(self, value):
        if isinstance(value, list):
            return [self._named(each) for each in value]
        if not isinstance(value, dict):
            return self._text(value) if isinstance(value, str) else value
        found = {}
        for name, each in value.items():
            if name in _NAMESPACE_FIELDS and each in _NAMESPACES:
                found[name] = self.made.value(_NAMESPACES[each])
            else:
                found[name] = self._named(each)
        if value.get("kind") == "Namespace":
            found["metadata"]["name"] = self.made.value(_NAMESPACES[value["metadata"]["name"]])
        return found

    def _text(self, text):
        """With what is different on each cluster, or by each release, as an action."""
        for plain, action in (
                (".closewrite.svc", 'printf ".%s.svc" .Release.Namespace'),
                ("portal.example.org", ".Values.portal.host"),
                ("watcher/node-1?", 'printf "watcher/%s?" .Values.watcher.node'),
                ("?label=cluster", 'ternary "" (printf "?label=%s" (.Values.executor.labels '
                                   '| replace "," "&label=")) (empty .Values.executor.labels)')):
            if plain in text:
                text = text.replace(plain, self.made.value(action))
        return text

    def _config_map(self, item):
        if item["kind"] == "ConfigMap":
            for name in [each for each in item["data"] if each.endswith(".yaml")]:
                service = name.removesuffix(".yaml")
                item["data"][name] = self.made.value(_config(service) + " | quote")

    def _claims(self, item):
        if item["kind"] == "PersistentVolumeClaim" and item["metadata"]["name"] in _VOLUMES:
            item["spec"]["storageClassName"] = self.made.value(".Values.volumes.storageClassName")
            item["spec"]["resources"]["requests"]["storage"] = self.made.value(
                ".Values.volumes.storage")

    def _scaler(self, item):
        spec = item.get("spec", {})
        most = self.made.value(".Values.executor.replicasMax")
        if item["kind"] == "HorizontalPodAutoscaler":
            spec["maxReplicas"] = most
        elif item["kind"] == "ScaledObject":
            spec["maxReplicaCount"] = most
            spec["triggers"][0]["metadata"]["labels"] = self.made.value(
                ".Values.executor.labels | quote")
            spec["triggers"][0]["metadata"]["jobsPerExecutor"] = self.made.value(
                ".Values.executor.slots | quote")
            spec["triggers"][0]["authenticationRef"] = self.made.value_if(
                ".Values.certificates", "{name: closewrite-keda}")

    def _workload(self, item):
        templates = [each for _, each in manifests.pod_templates([item])]
        if not templates:
            return
        spec, pod = item["spec"], templates[0]["spec"]
        [container] = pod["containers"]
        service = container["image"].rpartition("/")[2].partition(":")[0]
        container["image"] = self.made.value(_image(service))
        if item["kind"] == "CronJob":
            return
        templates[0]["metadata"]["annotations"] = {
            "checksum/config": self.made.value(_config(service) + " | sha256sum")}
        container["resources"] = self.made.block(f".Values.{service}.resources")
        for name, each in (("volumes", pod), ("volumeMounts", container)):
            if each[name][-1]["name"] == _VOLUMES[-1]:
                each[name][-len(_VOLUMES):] = [self.made.block(f".Values.{service}.{name}")]
        getattr(self, f"_{service}")(item, spec, pod)

    def _coordinator(self, item, spec, pod):
        if item["kind"] == "Deployment":
            spec["replicas"] = self.made.value(".Values.coordinator.replicas")
            [store] = [each for each in pod["containers"][0]["env"]
                       if each["name"] == "CLOSEWRITE_STORE"]
            store["valueFrom"]["secretKeyRef"]["name"] = self.made.value(
                'ternary "closewrite-db-app" "closewrite-store" .Values.cloudNativePg')
        else:
            spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = (
                self.made.value(".Values.coordinator.storage"))

    def _executor(self, _item, spec, pod):
        spec["replicas"] = self.made.value_if(
            f"not ({_SCALED})", "{{ .Values.executor.replicas }}")
        pod["terminationGracePeriodSeconds"] = self.made.value(
            ".Values.executor.terminationGracePeriodSeconds")

    def _portal(self, _item, _spec, _pod):
        pass

    def _watcher(self, _item, _spec, pod):
        pod["nodeSelector"] = self.made.block(".Values.watcher.nodeSelector")


def _rendered():
    """Conditions and objects: {key: [(condition or None, object)]}."""
    found = {}
    by_store = {store: {manifests.key(item): item for item in manifests.without_digests(
        manifests.kustomize(f"overlays/{store}"))} for store in manifests.STORES}
    first, second = by_store.values()
    for name in [*first, *(each for each in second if each not in first)]:
        if first.get(name) == second.get(name):
            found[name] = [(None, first[name])]
        else:
            found[name] = [(f'eq .Values.store "{store}"', items[name])
                           for store, items in by_store.items() if name in items]
    names = {component: value for value, component in COMPONENTS.items()}
    for components in (*([each] for each in names), ["certificates", "keda", "keda-certificates"]):
        condition = "and " + " ".join(f".Values.{names[each]}" for each in components
                                      if each in names)
        condition = condition if condition.count(".") > 2 else condition.removeprefix("and ")
        for item in manifests.without_digests(
                manifests.composed(overlay_of(components[0]), components)):
            found.setdefault(manifests.key(item), [(condition, item)])
    # Helm makes the namespace of a release itself.
    del found["Namespace /closewrite"]
    return found


def files():
    """Every file of the chart that is made: {path: content}."""
    made = {}
    for name, variants in _rendered().items():
        kind, _, rest = name.partition(" ")
        namespace, _, plain = rest.partition("/")
        folder = "watchers" if namespace.endswith("watchers") else "fleet"
        text = template.Template()
        for condition, item in variants:
            text.add(_Maker(text).item(item), condition)
        made[f"templates/{folder}/{kind.lower()}-{plain}.yaml"] = text.text()
    for variety, pattern in _CONFIGS.items():
        for service in _SERVICES:
            folder = pattern.format("watcher" if service == "watcher" else "fleet")
            path = os.path.join(manifests.FOLDER, folder, f"{service}.yaml")
            with open(path, encoding="utf-8") as file:
                made[f"files/{variety}/{service}.yaml"] = file.read()
    values = _values()
    made["values.yaml"] = _values_text(values)
    made["values.schema.json"] = json.dumps(_schema(values), indent=2) + "\n"
    made["Chart.yaml"] = yaml.safe_dump({
        "apiVersion": "v2", "name": "closewrite", "type": "application", "version": version(),
        "appVersion": version(), "kubeVersion": ">=1.29.0-0",
        "description": "Finished files become durable jobs on other machines."}, sort_keys=False)
    return made


_HEAD = """\
# Made by deploy/helm/make out of deploy/kubernetes, and so are templates and files.
"""
_COMMENTS = {
    "store": "embedded: one coordinator with SQLite; postgresql: several on a database.",
    "image": "Registry with a slash at its end; the tag is the chart's appVersion by default.",
    "config": "Files of each service, by --set-file config.executor=executor.yaml; else those in\n"
              "# files/plain, or with `certificates` those in files/tls.",
    "volumes": "The claims `unenriched` and `enriched` of executors and portal.",
    "coordinator": "`image` is a whole name, in the place of the registry's. Replicas are of\n"
                   "# postgresql, storage is of embedded.",
    "executor": "The pod has 127 s more than `drain_timeout` of executor.yaml to end.\n"
                "# `labels`, with commas, and `slots` are those of executor.yaml, also of\n"
                "# a file of your own: KEDA and the certificate need them.",
    "portal": "`host` is the name that browsers reach it by.",
    "watcher": "`node` is the name of the node with the label, for the watcher's certificate.",
    "keda": "Components of deploy/kubernetes, each of which is described there.",
}


def _values():
    objects = {manifests.key(item): item for item in manifests.without_digests(
        manifests.kustomize("overlays/postgresql"))}
    stateful = {manifests.key(item): item for item in manifests.kustomize("overlays/embedded")}
    values = {"store": "embedded", "image": {"registry": "", "tag": ""},
              "config": {service: "" for service in _SERVICES}}
    claim = objects["PersistentVolumeClaim closewrite/unenriched"]["spec"]
    values["volumes"] = {"storageClassName": claim["storageClassName"],
                         "storage": claim["resources"]["requests"]["storage"]}
    for name, pod in manifests.pod_templates(objects.values()):
        service = name.rpartition("-")[2]
        [container] = pod["spec"]["containers"]
        values[service] = {"image": "", "resources": container["resources"]}
        if service != "coordinator":
            values[service]["volumeMounts"] = container["volumeMounts"][-len(_VOLUMES):]
            values[service]["volumes"] = pod["spec"]["volumes"][-len(_VOLUMES):]
    executor = objects["Deployment closewrite/closewrite-executor"]["spec"]
    scaled = {item["kind"]: item for item in manifests.composed("overlays/embedded", ["keda"])}
    store = stateful["StatefulSet closewrite/closewrite-coordinator"]["spec"]
    watcher = objects["DaemonSet closewrite-watchers/closewrite-watcher"]["spec"]
    values["coordinator"].update(
        replicas=objects["Deployment closewrite/closewrite-coordinator"]["spec"]["replicas"],
        storage=store["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"])
    grace = executor["template"]["spec"]["terminationGracePeriodSeconds"]
    values["executor"].update(replicas=executor["replicas"],
                              replicasMax=scaled["ScaledObject"]["spec"]["maxReplicaCount"],
                              terminationGracePeriodSeconds=grace, labels="cluster",
                              slots=4)
    values["portal"]["host"] = "portal.example.org"
    values["watcher"].update(namespace="closewrite-watchers", node="node-1",
                             nodeSelector=watcher["template"]["spec"]["nodeSelector"])
    values.update({name: False for name in COMPONENTS})
    return values


def _values_text(values):
    parts = [_HEAD]
    for name, value in values.items():
        if name in _COMMENTS:
            parts.append(f"\n# {_COMMENTS[name]}\n")
        parts.append(yaml.safe_dump({name: value}, sort_keys=False))
    return "".join(parts)


def _schema(value, name=""):
    """So that helm refuses a value that there is not."""
    if isinstance(value, dict):
        free = name in ("resources", "nodeSelector")
        return {"type": "object", "additionalProperties": free,
                "properties": {} if free else
                {key: _schema(each, key) for key, each in value.items()},
                **({} if name else {"$schema": "http://json-schema.org/draft-07/schema#"})}
    if name == "store":
        return {"enum": list(manifests.STORES)}
    kinds = {bool: "boolean", int: "integer", list: "array", str: "string"}
    return {"type": kinds[type(value)]}


def differences():
    """How the chart that is there differs from what would be made, a line each."""
    made = files()
    there = set()
    for folder, _, names in os.walk(manifests.CHART):
        there |= {os.path.relpath(os.path.join(folder, name), manifests.CHART) for name in names}
    found = [f"{path}: is not made by deploy/helm/make"
             for path in sorted(there - set(made) - set(BY_HAND))]
    for path, text in made.items():
        whole = os.path.join(manifests.CHART, path)
        if path not in there:
            found.append(f"{path}: is missing; run deploy/helm/make")
            continue
        with open(whole, encoding="utf-8") as file:
            if file.read() != text:
                found.append(f"{path}: differs; run deploy/helm/make")
    return found


def write():
    """Makes the chart anew."""
    made = files()
    for path in {line.partition(":")[0] for line in differences() if "is not made" in line}:
        os.remove(os.path.join(manifests.CHART, path))
    for path, text in made.items():
        whole = os.path.join(manifests.CHART, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w", encoding="utf-8") as file:
            file.write(text)
