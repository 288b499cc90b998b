"""The page about Kubernetes: its commands and its examples, without a cluster."""

import base64
import json
import os
import re
import subprocess
import tempfile
import unittest

from e2e import case
from kubernetes import manifests, page

_CHECK_S_MAX = 30


class PageTest(unittest.TestCase):
    """The commands of docs/kubernetes.md."""

    needs_root = False

    def test_every_command_is_right(self):
        commands = page.commands()
        self.assertGreater(len(commands), 30)
        for words in commands:
            with self.subTest(command=" ".join(words)):
                self.assertIsNone(page.problem(words))

    def test_wrong_commands_are_found(self):
        for line, said in (
                ("kubectl kustomize deploy/kubernetes/overlays/sqlite", "sqlite"),
                ("kubectl get pods --namespaze closewrite", "namespaze"),
                ("kubectl rollout status statefulset/coordinator", "statefulset/coordinator"),
                ("kubectl proxy", "proxy"),
                ("kubectl port-forward --namespace closewrite service/closewrite-portal 8080:81",
                 "no port 81"),
                ("kubectl create secret generic closewrite-users --from-file=users", "no pod"),
                ("kubectl create secret generic closewrite-portal-users --from-file=user",
                 "nobody reads user"),
                ("kubectl label node node-1 closewrite/watch=true", "no pod is for nodes"),
                ("kubectl get pods --namespace closewrite-watcher", "no such namespace"),
                ("install -d -o 7400 -g 7400 /srv/raw", "no pod mounts it"),
                ("install -d -o root -g root /srv/enriched", "user 7400"),
                ("kubectl exec x -- closewrite doktor", "doktor"),
                ("closewrite backup x --gzip", "--gzip"),
                ("helm install closewrite deploy/helm/closewrite --set x=1", "x"),
                ("grpcurl localhost:7400 closewrite.v1.JobService/ListWork", "ListWork")):
            with self.subTest(line=line):
                self.assertRegex(page.problem(line.split()) or "", re.escape(said))

    def test_the_example_of_a_kustomization_renders(self):
        path = os.path.join(manifests.FOLDER, "base", "fleet", "config", "executor.yaml")
        with tempfile.TemporaryDirectory() as folder:
            own = os.path.join(folder, "executor.yaml")
            case.write(own, case.read(path).replace(b"slots: 4", b"slots: 9"))
            objects = manifests.without_digests(
                manifests.kustomization(page.kustomization(), [own]))
        executor = manifests.one(objects, "ConfigMap closewrite/closewrite-executor")
        self.assertEqual(manifests.config(executor)["slots"], 9)
        images = {container["image"] for _, template in manifests.pod_templates(objects)
                  for container in manifests.containers(template)}
        self.assertEqual({each.partition("/")[0] for each in images}, {"registry.example.org"})
        self.assertIn("registry.example.org/scripts:7", images)
        self.assertIn("ScaledObject closewrite/closewrite-executor",
                      {manifests.key(item) for item in objects})

    def test_secrets_are_read_and_copied(self):
        """What the page does with the answer of `kubectl get secret`."""
        data = {name: base64.b64encode(name.encode()).decode()
                for name in ("ca.crt", "tls.crt", "tls.key")}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": data,
                  "metadata": {"name": "x", "namespace": "closewrite", "uid": "1"}}
        said = [subprocess.run(["sh", "-euc", pipe], check=True, input=json.dumps(secret).encode(),
                               stdout=subprocess.PIPE, timeout=_CHECK_S_MAX).stdout
                for pipe in page.pipes()]
        copied = {"name": "closewrite-ca", "namespace": "closewrite-watchers"}
        self.assertEqual(json.loads(said[0]), {**secret, "metadata": copied})
        self.assertEqual(said[1:], [b"ca.crt", b"tls.crt", b"tls.key"])

    def test_components_are_listed(self):
        text = case.read(os.path.join(case.SCRIPTS, "..", "..", "docs", "kubernetes.md")).decode()
        for name in manifests.components():
            self.assertIn(f"`{name}`", text)
