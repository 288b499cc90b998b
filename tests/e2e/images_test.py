"""The container images: built twice the same, and two hosts of containers that do the main job.

The containers are as little trusted as can be, see hosts/container_fleet.py.
"""

import hashlib
import json
import os
import shutil
import subprocess
import unittest
import urllib.parse

import jsonschema

from e2e import case, oci
from hosts import container_fleet, fleet, process, run_folder
from style import npm

_BUILD = os.path.join(case.SCRIPTS, "..", "..", "deploy", "images", "build")
_BUILD_S_MAX = 1200
_SERVICES = ("coordinator", "watcher", "executor", "portal")
_STOP_S_MAX = 30
_RUN_S_MAX = 60.0


class Images:
    """The images, built once for all tests here."""

    _folder = None

    @classmethod
    def folder(cls):
        """Where they lie."""
        if cls._folder is None:
            cls._folder = run_folder.RunFolder("images")
            cls.build(cls._folder.make("first"), *_SERVICES)
        return os.path.join(cls._folder.path, "first")

    @classmethod
    def build(cls, output, *services, **environment):
        """Builds some, from the programs that are tested."""
        programs = cls._folder.make("programs")
        for name in (*_SERVICES, "cli"):
            target = os.path.join(programs, name)
            if not os.path.exists(target):
                shutil.copyfile(fleet.program(name), target)
        done = subprocess.run([_BUILD, "--programs", programs, "--output", output, *services],
                              check=False, stdin=subprocess.DEVNULL, timeout=_BUILD_S_MAX,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, **environment})
        if done.returncode != 0:
            raise RuntimeError(f"deploy/images/build: {done.stdout.decode(errors='replace')}")

    @classmethod
    def second(cls, *services):
        """Builds some again. Returns the folder."""
        cls.folder()
        output = cls._folder.make("second")
        cls.build(output, *services)
        return output


class ImagesTest(unittest.TestCase):
    """What deploy/images/build makes. One class: the images are built once for it."""

    needs_root = True
    logs = ""

    def test_the_same_commit_has_the_same_digest(self):
        """An image that is cut out of Debian's root, and the one that is all of it."""
        first = Images.folder()
        second = Images.second("watcher", "executor")
        for service in ("watcher", "executor"):
            name = f"closewrite-{service}.digest"
            self.assertRegex(case.read(os.path.join(first, name)), rb"^sha256:[0-9a-f]{64}\n$")
            for name in (name, f"closewrite-{service}.cdx.json"):
                self.assertEqual(case.read(os.path.join(first, name)),
                                 case.read(os.path.join(second, name)), name)

    def test_what_images_say_of_themselves(self):
        """How they are run and what they are."""
        revision = subprocess.run(["git", "-C", case.SCRIPTS, "rev-parse", "HEAD"], check=True,
                                  stdout=subprocess.PIPE).stdout.decode().strip()
        for service in _SERVICES:
            config = _archive(service).config
            self.assertEqual(config["User"], f"{container_fleet.USER_ID}:{container_fleet.USER_ID}")
            self.assertEqual(config["StopSignal"], "SIGTERM")
            self.assertEqual(config["Entrypoint"][-3:],
                             [f"/usr/bin/closewrite-{service}", "--config",
                              f"/etc/closewrite/{service}.yaml"])
            labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
            self.assertEqual((labels["version"], labels["licenses"]), (version(), "MIT"))
            self.assertEqual(labels["revision"].partition("-")[0], revision)

    def test_small_images_hold_what_their_packages_say(self):
        """No shell, nothing that gains rights, and each library is the one of its package."""
        for service in ("coordinator", "watcher", "portal"):
            image = _archive(service)
            programs = image.below("usr/bin")
            self.assertEqual(programs, ["usr/bin/closewrite", f"usr/bin/closewrite-{service}"])
            self.assertEqual([path for path, entry in image.files.items()
                              if entry.isreg() and entry.mode & 0o6000], [])
            sums = {path: digest for name in image.below("var/lib/dpkg/status.d")
                    if name.endswith(".md5sums")
                    for digest, path in (line.split(maxsplit=1)
                                         for line in image.read(name).decode().splitlines())}
            known = {path if path.startswith("usr/") else f"usr/{path}": digest
                     for path, digest in sums.items()}
            for path in image.below("usr/lib/x86_64-linux-gnu"):
                self.assertEqual(known.get(path), hashlib.md5(image.read(path)).hexdigest(), path)
            self.assertEqual(_packages(service), {
                os.path.basename(name) for name in image.below("var/lib/dpkg/status.d")
                if not name.endswith(".md5sums")})

    def test_bills_of_materials_are_valid(self):
        """By the schema of CycloneDX; and the executor's has all that dpkg knows of."""
        folder = os.path.join(npm.modules(), "@cyclonedx", "cyclonedx-library", "res", "schema")
        names = {f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "jsf-0.82")}
        schemas = {name: json.loads(case.read(os.path.join(folder, name))) for name in names}
        bom = schemas["bom-1.6.SNAPSHOT.schema.json"]
        # They name each other by their files, beside where they were published.
        store = {urllib.parse.urljoin(bom["$id"], name): schema
                 for name, schema in schemas.items()}
        validator = jsonschema.Draft7Validator(
            bom, resolver=jsonschema.RefResolver(bom["$id"], bom, store=store))
        for service in _SERVICES:
            bill = _bill(service)
            self.assertEqual([error.message for error in validator.iter_errors(bill)], [])
        bill["components"][0]["typ"] = bill["components"][0].pop("type")
        self.assertFalse(validator.is_valid(bill))
        status = _archive("executor").read("var/lib/dpkg/status").decode()
        self.assertEqual(_packages("executor"),
                         {line.split()[1] for line in status.splitlines()
                          if line.startswith("Package: ")})

    def test_main_job(self):
        """One after the other, on one fleet: no zombies, kills of each with jobs in flight, and an
        end that is asked for."""
        run = run_folder.RunFolder("test")
        self.addCleanup(run.close)
        hosts = container_fleet.ContainerFleet(run.path, Images.folder(), version())
        self.addCleanup(hosts.close)
        self.addCleanup(lambda: setattr(self, "logs", hosts.logs()))
        hosts.start()
        self._look_for_zombies(hosts)
        for name in container_fleet.CONTAINERS:
            before = hosts.running()
            hosts.drop(*[f"csv/{name}-{number}" for number in range(container_fleet.SLOTS + 1)])
            process.until(lambda: len(hosts.running() - before) >= container_fleet.SLOTS,
                          _RUN_S_MAX, "commands that run")
            hosts.containers.kill(name)
            hosts.containers.must("start", name)
            self._check(hosts, hosts.finish())
        for name in reversed(container_fleet.CONTAINERS):
            self.assertEqual(hosts.containers.stop(name, _STOP_S_MAX), 0, name)

    def _look_for_zombies(self, hosts):
        """Neither what a command leaves behind when it ends, nor what is left when its supervisor
        is killed, which the container's first process inherits."""
        hosts.drop("orphans/ends")
        hosts.finish()
        hosts.drop("orphans/is-killed")
        process.until(lambda: len(hosts.running()) == 2, _RUN_S_MAX, "a command that runs")
        killed = [pid for pid, comm, _, _ in hosts.containers.processes(container_fleet.EXECUTOR)
                  if comm == "cw-supervisor"]
        self.assertEqual(len(killed), 1)
        hosts.containers.must("exec", container_fleet.EXECUTOR, "sh", "-c",
                              f"kill -KILL {killed[0]}")
        states = {each.path: each.state for each in hosts.finish()}
        self.assertEqual(states, {b"orphans/ends": "succeeded", b"orphans/is-killed": "failed"})
        process.until(lambda: not self._left(hosts), _RUN_S_MAX,
                      "the end of all zombies, and of all commands")

    @staticmethod
    def _left(hosts):
        return [each for each in hosts.containers.processes(container_fleet.EXECUTOR)
                if each[2] == "Z" or each[1] in ("cw-supervisor", "patient.sh")]

    def _check(self, hosts, jobs):
        """Each file has one job, and one result, which is of that job's newest token."""
        results = os.path.join(hosts.folder, "enriched")
        jobs = [each for each in jobs if each.pipeline == "enrich"]
        self.assertEqual([path for path in case.tree(results) if path.startswith(b"csv/")],
                         sorted(each.path for each in jobs))
        for each in jobs:
            self.assertEqual(each.state, "succeeded", each.message)
            self.assertEqual(case.read(os.path.join(os.fsencode(results), each.path)),
                             f"by token {each.id}-{each.token}\n".encode())


def version():
    """The version of the programs that are tested."""
    told = subprocess.run([fleet.program("cli"), "version"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return told.split()[1].decode()


def _archive(service):
    return oci.Archive(os.path.join(Images.folder(), f"closewrite-{service}.oci.tar"))


def _bill(service):
    return json.loads(case.read(os.path.join(Images.folder(), f"closewrite-{service}.cdx.json")))


def _packages(service):
    return {each["name"] for each in _bill(service)["components"] if each["type"] == "library"}
