"""The services of two hosts, vm-a and vm-b, as containers; see containers.py."""

import json
import os

from hosts import containers, fleet, job, process

_READY_S_MAX = 60.0
_LOG_BYTES_MAX = 3000
_SCRIPTS = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "e2e"))
_SERVICES = ("coordinator", "watcher", "executor", "portal")
USER_ID = 7400
_VOLUMES = ("unenriched", "enriched")
# Container: (service, its volumes). Those of one host share its name.
CONTAINERS = {
    "vm-a": ("coordinator", ()),
    "vm-a-watcher": ("watcher", ("enriched",)),
    "vm-b-watcher": ("watcher", ("unenriched",)),
    "vm-b": ("executor", _VOLUMES),
    "vm-b-portal": ("portal", _VOLUMES),
}
EXECUTOR = "vm-b"
SLOTS = 2
_CONFIGS = {
    "coordinator": "listen: 0.0.0.0:7400\ninsecure: true\nstore: sqlite:{state}/c.db\n"
                   "session_ttl: 3s\n",
    "watcher": "host: {host}\nlisten: 0.0.0.0:7401\ncoordinator: vm-a:7400\nstate: {state}\n",
    "executor": "host: {host}\nlisten: 0.0.0.0:7402\ncoordinator: vm-a:7400\nstate: {state}\n"
                f"slots: {SLOTS}\n",
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


class ContainerFleet:
    """Starts all of them, of images in a folder, and waits until they are ready for files. `folder`
    is for what they share with this machine."""

    def __init__(self, folder, images, version):
        self.folder = folder
        self.jobs_expected = 0
        self._version = version
        self.containers = containers.Containers(_make(folder, "containers"))
        for service in _SERVICES:
            self.containers.load(os.path.join(images, f"closewrite-{service}.oci.tar"))
        for name in (*_VOLUMES, "gate"):
            os.chown(_make(folder, name), USER_ID, USER_ID)

    def start(self):
        """Starts them, and applies the pipelines `enrich` and `orphans`."""
        for name in CONTAINERS:
            self._start(name)
        self._wait_ready()
        done = self._cli("pipeline", "apply", "-f", "/etc/closewrite/pipelines.yaml")
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))

    def close(self):
        """Ends all. May be called any number of times."""
        self.containers.close()

    def _start(self, name):
        service, volumes = CONTAINERS[name]
        config = _make(self.folder, "config", name)
        lines = [_CONFIGS[service].format(host=name[:len("vm-a")], state=_STATE)]
        if volumes:
            lines += ["volumes:", *[f"  {each}: {{path: /srv/{each}}}" for each in volumes], ""]
        fleet.write(os.path.join(config, f"{service}.yaml"), "\n".join(lines))
        fleet.write(os.path.join(config, "pipelines.yaml"), _PIPELINES)
        shared = [*volumes, "gate"] if name == EXECUTOR else volumes
        binds = [f"{self.folder}/{each}:/{'' if each == 'gate' else 'srv/'}{each}"
                 for each in shared]
        if name == EXECUTOR:
            binds.append(f"{_SCRIPTS}:/scripts:ro")
        self.containers.run(name, f"closewrite/{service}:{self._version}",
                            list(CONTAINERS).index(name),
                            f"--volume={name}:{_STATE}", f"--volume={config}:/etc/closewrite:ro",
                            *[f"--volume={each}" for each in binds])

    def logs(self):
        """The end of what each has printed."""
        return "\n".join(f"--- {name}\n{self.containers.logs(name)[-_LOG_BYTES_MAX:]}"
                         for name in CONTAINERS)

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

    def drop(self, *names):
        """A file is written, on the host, into the folder that is a volume; by the watcher's user,
        since it has no right to ask whether others still write."""
        os.seteuid(USER_ID)
        try:
            for name in names:
                _write(os.path.join(self.folder, "unenriched", name), name)
        finally:
            os.seteuid(0)
        self.jobs_expected += len(names)

    def running(self):
        """JOB-TOKEN of all commands that have begun."""
        return {name[len("begun-"):] for name in os.listdir(os.path.join(self.folder, "gate"))
                if name.startswith("begun-")}

    def _release(self):
        """Lets all commands end that have begun."""
        for token in self.running():
            _write(os.path.join(self.folder, "gate", f"release-{token}"), "")

    def _jobs(self):
        return [job.parse(row) for row in self._rows("jobs", "--limit", "0")]

    def finish(self):
        """Releases commands until all jobs are final. Returns these."""
        def done():
            self._release()
            jobs = self._jobs()
            final = [each for each in jobs if each.state in ("succeeded", "failed")]
            return jobs if len(final) == len(jobs) == self.jobs_expected else None
        return process.until(done, _READY_S_MAX, f"{self.jobs_expected} jobs in a final state")


def _make(*names):
    path = os.path.join(*names)
    os.makedirs(path, exist_ok=True)
    return path


def _write(path, text):
    _make(os.path.dirname(path))
    fleet.write(path, text)
