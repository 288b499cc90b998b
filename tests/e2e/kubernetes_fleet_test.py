"""The configuration that pods have, with certificates, run by the real programs on this machine:
whoever the certificates of cert-manager would name is who the pods say that they are."""

import json
import os
import re
import unittest
import urllib.parse

from e2e import case
from hosts import fleet, host, process, run_folder
from kubernetes import manifests
from style import npm

_READY_S_MAX = 60.0
_CALL_S_MAX = 60.0
_STOP_S_MAX = 60.0
_NODE = "node-1"
# As Kubernetes would call a pod of the Deployment.
_POD = "closewrite-executor-6d5f7b9c8-x2x7k"
_PIPELINE = """
pipelines:
  - name: copy
    on: {volume: unenriched, match: ["**"]}
    run: {command: [cp, --, "{input}", "{output}"], labels: [cluster]}
    publish: {volume: enriched}
"""


class KubernetesFleetTest(unittest.TestCase):
    """One coordinator, one watcher, one executor."""

    needs_root = False

    def setUp(self):
        self.logs = ""
        folder = run_folder.RunFolder("kubernetes")
        self.addCleanup(folder.close)
        self.folder = folder.path
        self.host = host.LocalHost("here", self.folder)
        self.addCleanup(self.host.close)
        self.addCleanup(self._collect_logs)
        self.objects = manifests.without_digests(manifests.composed(
            "overlays/embedded", ["backup", "certificates", "keda", "keda-certificates"]))
        self.authority = fleet.Authority(os.path.join(self.folder, "authority"))
        self.ports = {}
        self.coordinator = None
        for volume in ("unenriched", "enriched"):
            os.makedirs(os.path.join(self.folder, "volumes", volume))

    def _collect_logs(self):
        for name in ("coordinator", "watcher", "executor"):
            path = os.path.join(self.folder, f"{name}.log")
            if os.path.exists(path):
                self.logs += f"--- {name}\n" + case.read(path)[-3000:].decode(errors="replace")

    def _certificate(self, name):
        """Folder of a certificate with the URI that the object `name` asks for."""
        [wanted] = [item for item in self.objects if item["kind"] == "Certificate"
                    and item["metadata"]["name"] == name]
        [uri] = wanted["spec"]["uris"]
        parts = urllib.parse.urlsplit(uri)
        grants = urllib.parse.parse_qsl(parts.query)
        grants += [("dns", host_name) for host_name in wanted["spec"].get("dnsNames", [])]
        options = [word for grant, value in grants for word in (f"--{grant}", value)]
        return self.authority.issue(parts.netloc, parts.path[1:], *options)

    def _port(self, name):
        return self.ports.setdefault(name, fleet.free_port())

    def _start(self, service, environment):
        """Starts a service with its ConfigMap, its places and ports exchanged for ours."""
        [item] = [item for item in self.objects if item["kind"] == "ConfigMap"
                  and item["metadata"]["name"] == f"closewrite-{service}"]
        text = item["data"][f"{service}.yaml"]
        for old, new in (("/etc/closewrite/tls", self._certificate(f"closewrite-{service}")),
                         ("/var/lib/closewrite", os.path.join(self.folder, "state")),
                         ("/mnt/", os.path.join(self.folder, "volumes", "")),
                         ("/srv/", os.path.join(self.folder, "volumes", ""))):
            text = text.replace(old, new)
        address = f"127.0.0.1:{self._port('coordinator 7400')}"
        text = re.sub(r"closewrite-coordinator[a-z.]*:7400", address, text)
        text = re.sub(r"0\.0\.0\.0:(\d+)",
                      lambda found: f"127.0.0.1:{self._port(f'{service} {found[1]}')}", text)
        path = os.path.join(self.folder, f"{service}.yaml")
        case.write(path, text.encode())
        os.makedirs(os.path.join(self.folder, "state", service), exist_ok=True)
        return self.host.spawn([fleet.program(service), "--config", path],
                               os.path.join(self.folder, f"{service}.log"),
                               env={**os.environ, **environment})

    def _ask(self, *args):
        """`closewrite ARGS` as an administrator: its rows."""
        done = self.host.run(
            [fleet.program("cli"), "--coordinator", f"127.0.0.1:{self._port('coordinator 7400')}",
             "--tls", self._certificate("closewrite-admin"), *args], timeout=_CALL_S_MAX)
        if done.returncode != 0:
            return []
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]

    def _begin(self):
        """Starts all, and waits until all are connected. Returns the executor's process."""
        self.coordinator = self._start("coordinator", {})
        self._start("watcher", {"CLOSEWRITE_HOST": _NODE})
        executor = self._start("executor", {"CLOSEWRITE_NAME": _POD})
        [attends] = process.until(
            lambda: [row for row in self._ask("executors", "-o", "json") if row["connected"]],
            _READY_S_MAX, "the executor attends")
        self.assertEqual((attends["name"], attends["host"], attends["labels"]),
                         (_POD, "closewrite-executor", ["cluster"]))
        [watcher] = process.until(
            lambda: [row for row in self._ask("watchers", "-o", "json") if row["connected"]
                     and all(volume["state"] == "live" for volume in row["volumes"])],
            _READY_S_MAX, "the watcher's volumes are live")
        self.assertEqual(watcher["host"], _NODE)
        path = os.path.join(self.folder, "pipelines.yaml")
        case.write(path, _PIPELINE.encode())
        self.assertTrue(self._ask("pipeline", "apply", "-f", path, "-o", "json"))
        return executor

    def _copy(self, name):
        case.write(os.path.join(self.folder, "volumes", "unenriched", name), b"content")
        result = os.path.join(self.folder, "volumes", "enriched", name)
        process.until(lambda: os.path.exists(result), _READY_S_MAX, "the result is published")
        self.assertEqual(case.read(result), b"content")

    def _succeeded(self):
        """Names of files whose jobs have."""
        return [row["input"]["path"] for row in self._ask("jobs", "--limit", "0", "-o", "json")
                if row["state"] == "succeeded"]

    def test_pods_are_whom_their_certificates_name(self):
        executor = self._begin()
        self._copy("x")
        # As the kubelet ends a pod: nothing runs, so there is nothing to wait for.
        self.assertEqual(executor.terminate(_STOP_S_MAX), 0)

    def test_keda_is_answered(self):
        """By a TLS client that, unlike ours, looks at the name of the host."""
        self._begin()
        [trigger] = [item["spec"]["triggers"][0] for item in self.objects
                     if item["kind"] == "ScaledObject"]
        folder = self._certificate("closewrite-keda")
        name = trigger["metadata"]["scalerAddress"].partition(":")[0]
        # As KEDA fills it: https://keda.sh/docs/latest/concepts/external-scalers
        asked = {"name": "closewrite-executor", "namespace": "closewrite",
                 "scalerMetadata": trigger["metadata"]}
        for server, is_answered in ((name, True), ("other.example.org", False)):
            done = self.host.run(
                [npm.tool("buf"), "curl", "--protocol", "grpc", "--servername", server,
                 "--cacert", f"{folder}/ca.crt", "--cert", f"{folder}/tls.crt",
                 "--key", f"{folder}/tls.key", "--data", json.dumps(asked),
                 f"https://127.0.0.1:{self._port('coordinator 7400')}"
                 "/externalscaler.ExternalScaler/GetMetricSpec"], timeout=_CALL_S_MAX)
            self.assertEqual(done.returncode == 0, is_answered, done.stderr)
            if is_answered:
                [spec] = json.loads(done.stdout)["metricSpecs"]
                self.assertEqual(str(spec["targetSizeFloat"]),
                                 trigger["metadata"]["jobsPerExecutor"])

    def test_a_backup_is_restored(self):
        self._begin()
        self._copy("before")
        process.until(lambda: self._succeeded() == ["before"], _READY_S_MAX, "its job has ended")
        [pod] = [template["spec"] for name, template in manifests.pod_templates(self.objects)
                 if name.startswith("CronJob")]
        backup = os.path.join(self.folder, "backup")
        os.mkdir(backup)
        [_, *command] = pod["containers"][0]["command"]
        command = [word.replace("$(JOB)", "job").replace("/backup", backup) for word in command]
        self._ask(*command)
        self._copy("after")
        self.coordinator.terminate(_STOP_S_MAX)

        store = os.path.join(self.folder, "state", "coordinator")
        [[_, restore]] = manifests.pod_templates(manifests.kustomize("restore"))
        [container] = restore["spec"]["containers"]
        [shell, options, script] = container["command"]
        script = script.replace("/store", store).replace("/backup", backup)
        self.host.check([shell, options, script], env={**os.environ, "COPY": "job.db"})
        self.assertEqual(self.host.run([shell, options, script],
                                       env={**os.environ, "COPY": "no.db"}).returncode, 1)
        self.coordinator = self._start("coordinator", {})
        process.until(lambda: self._succeeded() == ["before"], _READY_S_MAX,
                      "the job of before the backup is there, and the other is not")
