"""The container images: built twice the same, and two hosts of containers that do the main job.

The containers are as little trusted as can be, see hosts/containers.py.
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
from hosts import containers, fleet, job, process, run_folder
from style import npm

_BUILD = os.path.join(case.SCRIPTS, "..", "..", "deploy", "images", "build")
_BUILD_S_MAX = 1200
_SERVICES = ("coordinator", "watcher", "executor", "portal")
_USER_ID = 7400
_STOP_S_MAX = 30
_READY_S_MAX = 60.0
_VOLUMES = ("unenriched", "enriched")
# Container: (service, its volumes). Those of one host share its name.
_CONTAINERS = {
    "vm-a": ("coordinator", ()),
    "vm-a-watcher": ("watcher", ("enriched",)),
    "vm-b-watcher": ("watcher", ("unenriched",)),
    "vm-b": ("executor", _VOLUMES),
    "vm-b-portal": ("portal", _VOLUMES),
}
_EXECUTOR = "vm-b"
_SLOTS = 2
_CONFIGS = {
    "coordinator": "listen: 0.0.0.0:7400\ninsecure: true\nstore: sqlite:{state}/c.db\n"
                   "session_ttl: 3s\n",
    "watcher": "host: {host}\nlisten: 0.0.0.0:7401\ncoordinator: vm-a:7400\nstate: {state}\n",
    "executor": "host: {host}\nlisten: 0.0.0.0:7402\ncoordinator: vm-a:7400\nstate: {state}\n"
                f"slots: {_SLOTS}\n",
    "portal": "listen: 0.0.0.0:7480\ncoordinator: vm-a:7400\nstate: {state}\n"
              "anonymous: uploader\n",
}
_STATE = "/var/lib/closewrite"
_PIPELINES = """
pipelines:
  - name: enrich
    on: {volume: unenriched, match: ["csv/*"]}
    run: {command: [/scripts/patient.sh, "{output}", "{job}-{token}", /gate]}
    publish: {volume: enriched}
    retry: {attempts: 20, backoff: 10ms, backoff_max: 10ms, on_lost: retry}
  - name: orphans
    on: {volume: unenriched, match: ["orphans/*"]}
    run: {command: [sh, -c, "(setsid sleep 1000 &); (sleep 1000 &); exec $0 $@",
                    /scripts/patient.sh, "{output}", "{job}-{token}", /gate]}
    publish: {volume: enriched}
    retry: {attempts: 1}
"""


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


class BuildTest(unittest.TestCase):
    """What deploy/images/build makes."""

    needs_root = True

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
            self.assertEqual(config["User"], f"{_USER_ID}:{_USER_ID}")
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


class ContainersTest(unittest.TestCase):
    """Two hosts of containers."""

    needs_root = True

    def setUp(self):
        self.logs = ""
        self.run_folder = run_folder.RunFolder("test")
        self.addCleanup(self.run_folder.close)
        self.folder = self.run_folder.path
        self.jobs_expected = 0
        images = Images.folder()
        self.containers = containers.Containers(self.run_folder.make("containers"))
        self.addCleanup(self.containers.close)
        self.addCleanup(self._collect_logs)
        for service in _SERVICES:
            self.containers.load(os.path.join(images, f"closewrite-{service}.oci.tar"))
        for name in (*_VOLUMES, "gate"):
            os.chown(self.run_folder.make(name), _USER_ID, _USER_ID)
        for name in _CONTAINERS:
            self._start(name)
        self._wait_ready()
        self._cli("pipeline", "apply", "-f", "/etc/closewrite/pipelines.yaml")

    def _start(self, name):
        service, volumes = _CONTAINERS[name]
        config = self.run_folder.make("config", name)
        lines = [_CONFIGS[service].format(host=name[:len("vm-a")], state=_STATE)]
        if volumes:
            lines += ["volumes:", *[f"  {each}: {{path: /srv/{each}}}" for each in volumes], ""]
        fleet.write(os.path.join(config, f"{service}.yaml"), "\n".join(lines))
        fleet.write(os.path.join(config, "pipelines.yaml"), _PIPELINES)
        shared = [*volumes, "gate"] if name == _EXECUTOR else volumes
        binds = [f"{self.folder}/{each}:/{'' if each == 'gate' else 'srv/'}{each}"
                 for each in shared]
        if name == _EXECUTOR:
            binds.append(f"{case.SCRIPTS}:/scripts:ro")
        self.containers.run(name, f"closewrite/{service}:{version()}",
                            list(_CONTAINERS).index(name),
                            f"--volume={name}:{_STATE}", f"--volume={config}:/etc/closewrite:ro",
                            *[f"--volume={each}" for each in binds])

    def _collect_logs(self):
        self.logs = "\n".join(f"--- {name}\n{self.containers.logs(name)[-3000:]}"
                              for name in _CONTAINERS)

    def _cli(self, *args):
        return self.containers.podman("exec", "vm-a", "closewrite", *args)

    def _rows(self, *args):
        """Empty while there is no coordinator."""
        done = self._cli(*args, "-o", "json")
        return ([json.loads(line) for line in done.stdout.splitlines()]
                if done.returncode == 0 else [])

    def _wait_ready(self):
        def ready():
            live = [volume for row in self._rows("watchers") if row["connected"]
                    for volume in row["volumes"] if volume["state"] == "live"]
            return len(live) == 2 and any(row["connected"] for row in self._rows("executors"))
        process.until(ready, _READY_S_MAX, "watchers and executor connected")

    def _drop(self, *names):
        """A file is written, on the host, into the folder that is a volume; by the watcher's user,
        since it has no right to ask whether others still write."""
        os.seteuid(_USER_ID)
        try:
            for name in names:
                case.write(os.path.join(self.folder, "unenriched", name), name.encode())
        finally:
            os.seteuid(0)
        self.jobs_expected += len(names)

    def _running(self):
        """JOB-TOKEN of all commands that have begun."""
        return {name[len("begun-"):] for name in os.listdir(os.path.join(self.folder, "gate"))
                if name.startswith("begun-")}

    def _release(self):
        """Lets all commands end that have begun."""
        for token in self._running():
            case.write(os.path.join(self.folder, "gate", f"release-{token}"), b"")

    def _jobs(self):
        return [job.parse(row) for row in self._rows("jobs", "--limit", "0")]

    def _finish(self):
        """Releases commands until all jobs are final. Returns these."""
        def done():
            self._release()
            jobs = self._jobs()
            final = [each for each in jobs if each.state in ("succeeded", "failed")]
            return jobs if len(final) == len(jobs) == self.jobs_expected else None
        return process.until(done, _READY_S_MAX, f"{self.jobs_expected} jobs in a final state")

    def _check(self, jobs):
        """Each file has one job, and one result, which is of that job's newest token."""
        results = os.path.join(self.folder, "enriched")
        jobs = [each for each in jobs if each.pipeline == "enrich"]
        self.assertEqual([path for path in case.tree(results) if path.startswith(b"csv/")],
                         sorted(each.path for each in jobs))
        for each in jobs:
            self.assertEqual(each.state, "succeeded", each.message)
            self.assertEqual(case.read(os.path.join(os.fsencode(results), each.path)),
                             f"by token {each.id}-{each.token}\n".encode())

    def test_main_job(self):
        """One after the other, on one fleet: no zombies, kills of each with jobs in flight, and an
        end that is asked for."""
        self._look_for_zombies()
        for name in _CONTAINERS:
            before = self._running()
            self._drop(*[f"csv/{name}-{number}" for number in range(_SLOTS + 1)])
            process.until(lambda: len(self._running() - before) >= _SLOTS, _READY_S_MAX,
                          "commands that run")
            self.containers.kill(name)
            self.containers.must("start", name)
            self._check(self._finish())
        for name in reversed(_CONTAINERS):
            self.assertEqual(self.containers.stop(name, _STOP_S_MAX), 0, name)

    def _look_for_zombies(self):
        """Neither what a command leaves behind when it ends, nor what is left when its supervisor
        is killed, which the container's first process inherits."""
        self._drop("orphans/ends")
        self._finish()
        self._drop("orphans/is-killed")
        process.until(lambda: len(self._running()) == 2, _READY_S_MAX, "a command that runs")
        killed = [pid for pid, comm, _, _ in self.containers.processes(_EXECUTOR)
                  if comm == "cw-supervisor"]
        self.assertEqual(len(killed), 1)
        self.containers.must("exec", _EXECUTOR, "sh", "-c", f"kill -KILL {killed[0]}")
        states = {each.path: each.state for each in self._finish()}
        self.assertEqual(states, {b"orphans/ends": "succeeded", b"orphans/is-killed": "failed"})
        found = self.containers.processes(_EXECUTOR)
        self.assertEqual([each for each in found if each[2] == "Z"], [])
        self.assertEqual([each for each in found if each[1] == "patient.sh"], [])
