"""Kubernetes without a cluster: every object is one that Kubernetes takes, fits the others and the
programs' configuration, and comes out of Helm as out of kustomize."""

import copy
import functools
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.parse

import yaml

from e2e import case
from hosts import fleet
from kubernetes import chart, manifests, models, tools

_CHECK_S_MAX = 30
_WATCHERS = "closewrite-watchers"
# Components, with others that they need, and an overlay that they fit.
_COMPOSED = {
    "backup": ("overlays/embedded", ["certificates", "backup"]),
    "certificates": ("overlays/postgresql", ["certificates"]),
    "cloudnative-pg": ("overlays/postgresql", ["cloudnative-pg"]),
    "hpa": ("overlays/embedded", ["hpa"]),
    "ingress": ("overlays/embedded", ["ingress"]),
    "keda": ("overlays/embedded", ["keda"]),
    "keda-certificates": ("overlays/embedded", ["certificates", "keda", "keda-certificates"]),
    "monitoring": ("overlays/embedded", ["monitoring"]),
    "nfs": ("overlays/embedded", ["nfs"]),
    "sidecar": ("examples/sidecar", []),
    "watcher-as-root": ("overlays/embedded", ["watcher-as-root"]),
}
# What a drain of an executor takes after its drain_timeout: kTerminateMax twice, kSettleMax,
# kFarewellMax and the end of its server's calls (services/executor/executor.h).
_DRAIN_END_S_MAX = 60 + 60 + 5 + 1 + 1
# Those that pods wait for, or do without, because people or other products make them.
_FOREIGN_SECRETS = {"closewrite-portal-users", "closewrite-store", "closewrite-db-app"}


@functools.lru_cache(maxsize=None)
def _rendered():
    """{what was rendered: its objects}, everything that there is."""
    found = {path: manifests.kustomize(path) for path in manifests.overlays()}
    for name, (overlay, components) in _COMPOSED.items():
        found[f"component {name}"] = manifests.composed(overlay, components)
    return found


@functools.lru_cache(maxsize=None)
def _everything():
    """All objects of all of them, each once."""
    return list({json.dumps(item, sort_keys=True): item for items in _rendered().values()
                 for item in items}.values())


def _by_key(objects):
    """{key: object}, without what only Helm or only kustomize has."""
    found = {}
    for item in copy.deepcopy(manifests.without_digests(objects)):
        for _, template in manifests.pod_templates([item]):
            annotations = template["metadata"].get("annotations", {})
            annotations.pop("checksum/config", None)
            if not annotations:
                template["metadata"].pop("annotations", None)
        found[manifests.key(item)] = item
    # Helm makes the namespace of a release itself.
    found.pop("Namespace /closewrite", None)
    return found


def _config_files():
    """Every configuration of a service below deploy/kubernetes."""
    return sorted(glob.glob(os.path.join(manifests.FOLDER, "**", "config", "*.yaml"),
                            recursive=True))


@functools.lru_cache(maxsize=None)
def _entry_point(service):
    """Of the service's image, as those who have Docker make it; images_test knows the other."""
    path = os.path.join(manifests.FOLDER, "..", "images", "Containerfile")
    stage = case.read(path).decode().partition(f"AS {service}\n")[2].partition("\nFROM ")[0]
    return json.loads(re.search(r"^ENTRYPOINT (.*)$", stage, re.MULTILINE)[1])


def _seconds(text):
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * units[text[-1]]


def _selects(selector, labels):
    return selector.items() <= labels.items()


class ModelsTest(unittest.TestCase):
    """Every object, as its own API has it."""

    needs_root = False

    def test_everything_is_rendered(self):
        self.assertEqual(manifests.components(), sorted(_COMPOSED))
        self.assertLessEqual({"overlays/embedded", "overlays/postgresql"}, set(_rendered()))

    def test_every_object_is_right(self):
        self.assertEqual(models.problems(_everything()), [])

    def test_what_is_wrong_is_caught_by_name(self):
        embedded, keda = _rendered()["overlays/embedded"], _rendered()["component keda"]
        pg = _rendered()["component cloudnative-pg"]
        store = manifests.one(embedded, "StatefulSet closewrite/closewrite-coordinator")
        scaled = manifests.one(keda, "ScaledObject closewrite/closewrite-executor")
        database = manifests.one(pg, "Cluster closewrite/closewrite-db")
        policy = manifests.one(embedded, "NetworkPolicy closewrite/clients")
        certificate = manifests.one(_rendered()["component certificates"],
                           "Certificate closewrite/closewrite-coordinator")
        monitor = manifests.one(_rendered()["component monitoring"],
                                "ServiceMonitor closewrite/closewrite")
        pod = ("spec", "template", "spec", "containers", 0)
        broken = (  # object, where, field there, its value or None to remove it, what is said
            (store, pod, "livenesProbe", {}, "'livenesProbe' does not exist"),
            (store, ("spec",), "selector", None, "required property selector"),
            (store, ("spec",), "replicas", "one", "/spec/replicas: must be integer"),
            (store, (*pod, "resources", "limits"), "memory", "1Gx", "limits/memory: must match"),
            (store, (*pod, "ports", 0), "containerPort", None, "required property containerPort"),
            (policy, ("spec",), "egres", [], "'egres' does not exist"),
            (scaled, ("spec", "triggers", 0), "metadta", {}, "'metadta' does not exist"),
            (scaled, ("spec", "triggers", 0), "type", None, "required property type"),
            (scaled, ("spec",), "maxReplicaCount", "20", "/spec/maxReplicaCount: must be integer"),
            (database, ("spec",), "instancez", 3, "'instancez' does not exist"),
            (database, ("spec",), "instances", None, "required property instances"),
            (certificate, ("spec",), "issuerRef", None, "required property issuerRef"),
            (certificate, ("spec",), "uriz", [], "'uriz' does not exist"),
            (monitor, ("spec",), "endpoints", {}, "/spec/endpoints: must be array"),
        )
        copies = []
        for number, (item, place, field, value, _) in enumerate(broken):
            copies.append(copy.deepcopy(item))
            copies[-1]["metadata"]["name"] = f"broken-{number}"
            found = functools.reduce(lambda inner, name: inner[name], place, copies[-1])
            found[field] = value
            if value is None:
                del found[field]
        problems = models.problems(copies)
        for item, (_, place, field, _, said) in zip(copies, broken):
            with self.subTest(kind=item["kind"], place=place, field=field):
                own = [each for each in problems if each.startswith(manifests.key(item) + ":")]
                self.assertTrue(any(said in each for each in own), (said, own))


class ManifestsTest(unittest.TestCase):
    """Objects that fit each other and what is promised of them."""

    needs_root = False

    def test_images_have_the_version_of_the_programs(self):
        for item in _everything():
            for _, template in manifests.pod_templates([item]):
                for container in manifests.containers(template):
                    if "closewrite/" in container["image"]:
                        self.assertTrue(container["image"].endswith(":" + chart.version()),
                                        container["image"])

    def test_pods_are_restricted(self):
        checked = 0
        for what, objects in _rendered().items():
            for name, template in manifests.pod_templates(objects):
                if what == "component watcher-as-root" and name.startswith("DaemonSet"):
                    continue
                with self.subTest(what=what, name=name):
                    self._check_restricted(name, template["spec"])
                    checked += 1
        self.assertGreater(checked, 20)

    def _check_restricted(self, name, spec):
        """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
        for container in manifests.containers({"spec": spec}):
            merged = {**spec["securityContext"], **container["securityContext"]}
            self.assertIs(merged["runAsNonRoot"], True)
            self.assertEqual(merged["runAsUser"], 7400)
            self.assertIs(merged["allowPrivilegeEscalation"], False)
            self.assertIs(merged["readOnlyRootFilesystem"], True)
            self.assertEqual(merged["capabilities"], {"drop": ["ALL"]})
            self.assertEqual(merged["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertNotIn("privileged", merged)
            self.assertLessEqual({"requests", "limits"}, set(container["resources"]))
            self.assertIn("memory", container["resources"]["limits"])
        self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(spec))
        self.assertIs(spec["automountServiceAccountToken"], False)
        kinds = {next(key for key in volume if key != "name") for volume in spec["volumes"]}
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
        if name == f"DaemonSet {_WATCHERS}/closewrite-watcher":
            allowed.add("hostPath")
        self.assertLessEqual(kinds, allowed)

    def test_the_watcher_that_is_root_has_what_it_says(self):
        objects = _rendered()["component watcher-as-root"]
        [(_, template)] = [each for each in manifests.pod_templates(objects)
                           if each[0].startswith("DaemonSet")]
        [container] = template["spec"]["containers"]
        self.assertEqual(container["securityContext"]["capabilities"],
                         {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "LEASE"]})
        self.assertEqual(template["spec"]["securityContext"]["runAsUser"], 0)

    def test_namespaces_enforce_what_their_pods_keep(self):
        for objects in _rendered().values():
            enforced = {item["metadata"]["name"]:
                        item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
                        for item in objects if item["kind"] == "Namespace"}
            if enforced:
                self.assertEqual(enforced, {"closewrite": "restricted", _WATCHERS: "privileged"})

    def test_the_kubelet_waits_for_a_drain(self):
        for what, objects in _rendered().items():
            for name, template in manifests.pod_templates(objects):
                if not name.startswith("Deployment closewrite/closewrite-executor"):
                    continue
                config = manifests.config(self._config_map(objects, template))
                with self.subTest(what=what):
                    self.assertGreater(template["spec"]["terminationGracePeriodSeconds"],
                                       _seconds(config["drain_timeout"]) + _DRAIN_END_S_MAX)

    def _config_map(self, objects, template):
        [name] = [volume["configMap"]["name"] for volume in template["spec"]["volumes"]
                  if "configMap" in volume]
        [found] = [item for item in objects
                   if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name]
        return found

    def test_what_pods_mount_is_there(self):
        for what, objects in _rendered().items():
            there = {manifests.key(item) for item in objects}
            for item in objects:
                if item["kind"] == "Certificate":
                    namespace = item["metadata"]["namespace"]
                    there.add(f"Secret {namespace}/{item['spec']['secretName']}")
            if what == "restore":
                there |= {"PersistentVolumeClaim closewrite/store-closewrite-coordinator-0",
                          "PersistentVolumeClaim closewrite/closewrite-backup"}
            for name, template in manifests.pod_templates(objects):
                with self.subTest(what=what, name=name):
                    self._check_mounts(name, template, there)

    def _check_mounts(self, name, template, there):
        namespace = name.split(" ")[1].partition("/")[0]
        names = set()
        for volume in template["spec"]["volumes"]:
            names.add(volume["name"])
            for field, kind, inner in (("configMap", "ConfigMap", "name"),
                                       ("secret", "Secret", "secretName"),
                                       ("persistentVolumeClaim", "PersistentVolumeClaim",
                                        "claimName")):
                wanted = volume.get(field)
                if wanted and not wanted.get("optional") and wanted[inner] not in _FOREIGN_SECRETS:
                    self.assertIn(f"{kind} {namespace}/{wanted[inner]}", there)
        for container in manifests.containers(template):
            for mount in container["volumeMounts"]:
                # Those of a StatefulSet's own claims are in none of its volumes.
                self.assertIn(mount["name"], names | {"store", "files"})

    def test_services_and_policies_find_their_pods(self):
        for what, objects in _rendered().items():
            pods = [(name.split(" ")[1].partition("/")[0], template)
                    for name, template in manifests.pod_templates(objects)]
            for item in objects:
                selector = item.get("spec", {}).get("selector")
                if item["kind"] == "NetworkPolicy":
                    selector = item["spec"]["podSelector"].get("matchLabels", {})
                if item["kind"] not in ("Service", "NetworkPolicy"):
                    continue
                if "cnpg.io/cluster" in selector:
                    continue  # Its pods are the operator's.
                found = [template for namespace, template in pods
                         if namespace == item["metadata"]["namespace"]
                         and _selects(selector, template["metadata"]["labels"])]
                with self.subTest(what=what, item=manifests.key(item)):
                    self.assertTrue(found)
                    self._check_ports(item, found)

    def _check_ports(self, item, templates):
        ports = {port["name"] for template in templates for container in
                 manifests.containers(template) for port in container.get("ports", [])}
        if item["kind"] == "Service":
            self.assertLessEqual({port["targetPort"] for port in item["spec"]["ports"]}, ports)

    def test_probes_ask_where_the_service_answers(self):
        checked = 0
        for what, objects in _rendered().items():
            for name, template in manifests.pod_templates(objects):
                for container in manifests.containers(template):
                    if "livenessProbe" not in container:
                        continue
                    config = self._config_of(objects, template, container)
                    with self.subTest(what=what, name=name):
                        self._check_probes(container, config)
                        checked += 1
        self.assertGreater(checked, 20)

    def _config_of(self, objects, template, container):
        """Configuration that a container's program reads."""
        # A pod's `args` come behind the image's entry point.
        service = container["image"].rpartition("/")[2].partition(":")[0]
        command = [*_entry_point(service), *container.get("args", [])]
        self.assertEqual(command.count("--config"), 1, command)
        path = command[command.index("--config") + 1]
        [mount] = [each for each in container["volumeMounts"] if each["mountPath"] == path]
        [volume] = [each for each in template["spec"]["volumes"] if each["name"] == mount["name"]]
        [config] = [item for item in objects if item["kind"] == "ConfigMap"
                    and item["metadata"]["name"] == volume["configMap"]["name"]]
        self.assertIn(mount["subPath"], config["data"])
        return manifests.config(config)

    def _check_probes(self, container, config):
        port = int(config["probes"].rpartition(":")[2])
        alive = {"port": port, "service": "closewrite.alive"}
        self.assertEqual(container["startupProbe"]["grpc"], alive)
        self.assertEqual(container["livenessProbe"]["grpc"], alive)
        if "restartPolicy" not in container:
            self.assertEqual(container["readinessProbe"]["grpc"], {"port": port})
            listed = {each["containerPort"] for each in container["ports"]}
            for key in ("listen", "probes", "metrics"):
                self.assertIn(int(config[key].rpartition(":")[2]), listed)
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        for volume in config.get("volumes", {}).values():
            self.assertIn(volume["path"], mounts)
        if "state" in config:
            self.assertTrue(any(config["state"].startswith(each) for each in mounts))


class ConfigurationTest(unittest.TestCase):
    """The services' own files."""

    needs_root = False

    def _check(self, path, **environment):
        service = os.path.basename(path).removesuffix(".yaml")
        return subprocess.run([fleet.program(service), "--config", path, "--check-config"],
                              check=False, capture_output=True, timeout=_CHECK_S_MAX,
                              env={**os.environ, **environment})

    def test_every_file_is_read_by_its_program(self):
        self.assertEqual(len(_config_files()), 9)
        for path in _config_files():
            with self.subTest(path=path):
                done = self._check(path)
                self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_a_secret_may_end_with_a_newline(self):
        """As one that `kubectl create secret --from-file` has made."""
        path = os.path.join(manifests.FOLDER, "base", "fleet", "config", "coordinator.yaml")
        done = self._check(path, CLOSEWRITE_STORE="postgresql://u@db/d\n")
        self.assertEqual(yaml.safe_load(done.stdout)["store"], "postgresql://u@db/d")

    def test_a_wrong_key_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "coordinator.yaml")
            case.write(path, b"listen: 0.0.0.0:7400\nprobez: 0.0.0.0:7410\n")
            done = self._check(path)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"probez", done.stderr)

    def test_certificates_change_nothing_else(self):
        secure = [path for path in _config_files() if "/certificates/" in path]
        self.assertEqual(len(secure), 4)
        for path in secure:
            name = os.path.basename(path)
            [plain] = glob.glob(os.path.join(manifests.FOLDER, "base", "*", "config", name))
            wanted, got = manifests.config(plain), manifests.config(path)
            self.assertLessEqual({"ca", "cert", "key"}, set(got.pop("tls")))
            wanted.pop("insecure", None)
            self.assertEqual(got, wanted, name)

    def test_certificates_say_what_the_files_say(self):
        objects = _rendered()["examples/production"]
        uris = {manifests.key(item): item["spec"].get("uris", [""])[0] for item in objects
                if item["kind"] == "Certificate"}
        folder = os.path.join(manifests.FOLDER, "components", "certificates", "config")
        executor = urllib.parse.urlsplit(uris["Certificate closewrite/closewrite-executor"])
        config = manifests.config(os.path.join(folder, "executor.yaml"))
        self.assertEqual((executor.scheme, executor.netloc, executor.path),
                         ("closewrite", "executor", "/" + config["host"]))
        self.assertEqual(urllib.parse.parse_qs(executor.query), {"label": config["labels"]})
        watcher = urllib.parse.urlsplit(uris[f"Certificate {_WATCHERS}/closewrite-watcher"])
        config = manifests.config(os.path.join(folder, "watcher.yaml"))
        self.assertEqual(watcher.netloc, "watcher")
        self.assertEqual(urllib.parse.parse_qs(watcher.query), {"volume": list(config["volumes"])})

    def test_keda_counts_jobs_for_these_executors(self):
        for what in ("component keda", "examples/production"):
            objects = _rendered()[what]
            trigger = manifests.one(objects, "ScaledObject closewrite/closewrite-executor")[
                "spec"]["triggers"][0]
            config = manifests.config(os.path.join(manifests.FOLDER, "base", "fleet", "config",
                                          "executor.yaml"))
            self.assertEqual(trigger["type"], "external")
            self.assertEqual(trigger["metadata"]["labels"].split(","), config["labels"])
            self.assertEqual(trigger["metadata"]["jobsPerExecutor"], str(config["slots"]))
            self.assertLessEqual(set(trigger["metadata"]),
                                 {"scalerAddress", "labels", "pipeline", "jobsPerExecutor"})
            executor = manifests.one(objects, "Deployment closewrite/closewrite-executor")
            self.assertNotIn("replicas", executor["spec"])


class ChartTest(unittest.TestCase):
    """Helm gives what kustomize gives."""

    needs_root = False

    def test_the_chart_is_the_one_that_would_be_made(self):
        self.assertEqual(chart.differences(), [])

    def test_helm_has_nothing_against_it(self):
        code, output, problem = tools.run(["helm", "lint", "--strict", manifests.CHART])
        self.assertEqual((code, problem), (0, ""), output)

    def _compare(self, settings, overlay, components):
        arguments = [each for value in settings for each in ("--set", value)]
        by_helm = _by_key(manifests.helm(*arguments))
        by_kustomize = _by_key(manifests.composed(overlay, components))
        self.assertEqual(set(by_helm), set(by_kustomize))
        for name, item in by_kustomize.items():
            self.assertEqual(by_helm[name], item, name)

    def test_overlays(self):
        self._compare([], "overlays/embedded", [])
        self._compare(["store=postgresql"], "overlays/postgresql", [])

    def test_components(self):
        for value, component in chart.COMPONENTS.items():
            with self.subTest(component=component):
                overlay = chart.overlay_of(component)
                store = overlay.partition("/")[2]
                self._compare([f"store={store}", f"{value}=true"], overlay, [component])

    def test_all_together(self):
        names = [each for each in chart.COMPONENTS if each not in ("hpa", "backup")]
        components = [chart.COMPONENTS[name] for name in names]
        self._compare(["store=postgresql", *(f"{name}=true" for name in names)],
                      "overlays/postgresql", [*components, "keda-certificates"])

    def test_values_count(self):
        objects = {manifests.key(item): item for item in manifests.helm(
            "--set", "image.registry=registry.example.org/,image.tag=v9", "--set",
            "executor.image=scripts:1,executor.replicas=7,coordinator.storage=1Ti",
            "--set", "executor.resources.limits.memory=9Gi", namespace="other")}
        executor = objects["Deployment other/closewrite-executor"]["spec"]
        [container] = executor["template"]["spec"]["containers"]
        self.assertEqual((executor["replicas"], container["image"]), (7, "scripts:1"))
        self.assertEqual(container["resources"]["limits"]["memory"], "9Gi")
        store = objects["StatefulSet other/closewrite-coordinator"]["spec"]
        self.assertEqual(store["template"]["spec"]["containers"][0]["image"],
                         "registry.example.org/closewrite/coordinator:v9")
        self.assertIn("1Ti", yaml.dump(store["volumeClaimTemplates"]))
        watcher = objects[f"ConfigMap {_WATCHERS}/closewrite-watcher"]
        self.assertEqual(manifests.config(watcher)["coordinator"],
                         "closewrite-coordinator.other.svc:7400")

    def test_names_of_a_cluster_are_values(self):
        objects = {manifests.key(item): item for item in manifests.helm(
            "--set", "watcher.node=vm-b,portal.host=files.example.net,executor.labels=r\\,big",
            "--set", "executor.slots=9",
            "--set", "certificates=true,keda=true,ingress=true")}
        self.assertFalse([name for name, item in objects.items() if re.search(
            r"node-1|portal\.example\.org|\bcluster\b", yaml.dump(item))])
        executor = manifests.config(objects["ConfigMap closewrite/closewrite-executor"])
        self.assertEqual((executor["labels"], executor["slots"]), (["r", "big"], 9))
        trigger = objects["ScaledObject closewrite/closewrite-executor"]["spec"]["triggers"][0]
        self.assertEqual(trigger["metadata"]["labels"], "r,big")
        self.assertEqual(trigger["metadata"]["jobsPerExecutor"], "9")
        uris = [item["spec"]["uris"][0] for name, item in objects.items()
                if name.startswith("Certificate") and "uris" in item["spec"]]
        self.assertIn("closewrite://executor/closewrite-executor?label=r&label=big", uris)
        self.assertIn("closewrite://watcher/vm-b?volume=unenriched&volume=enriched", uris)
        portal = manifests.config(objects["ConfigMap closewrite/closewrite-portal"])
        self.assertEqual(portal["public_url"], "https://files.example.net")

    def test_what_does_not_fit_together_is_refused(self):
        for settings, said in (("keda=true,hpa=true", "keda and hpa"),
                               ("cloudNativePg=true", "store=postgresql"),
                               ("watcher.namespace=closewrite", "namespace of their own"),
                               ("store=postgresql,backup=true", "store=embedded")):
            with self.assertRaisesRegex(RuntimeError, said):
                manifests.helm("--set", settings)

    def test_a_value_that_there_is_not_is_refused(self):
        for setting, said in (("stroe=postgresql", "stroe"), ("store=mysql", "store"),
                              ("executor.replicaz=3", "replicaz"), ("keda=yes", "keda")):
            with self.assertRaisesRegex(RuntimeError, said):
                manifests.helm("--set", setting)
