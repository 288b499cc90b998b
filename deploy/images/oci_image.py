"""Makes an OCI image of a tree, by buildah, in a store of its own."""

import json
import os
import subprocess
import tarfile

import image_tree
import release

_PORTS = {"coordinator": 7400, "watcher": 7401, "executor": 7402, "portal": 7480}
_TITLES = {"coordinator": "jobs, leases and the API", "watcher": "events of volumes, publishing",
           "executor": "runs commands; a base for your own scripts",
           "portal": "the web page"}
# Orphans of commands, and those of programs that people start in the container, go to its first
# process: docs/images.md.
_INIT = ["/usr/bin/catatonit", "--"]
_WITH_INIT = ("executor",)


def settings(service, about):
    """What the image says of itself, as options of `buildah config`."""
    entry = [*(_INIT if service in _WITH_INIT else []), image_tree.installed_name(service),
             "--config", f"{image_tree.CONFIG}/{service}.yaml"]
    labels = {"title": f"closewrite-{service}", "description": f"Closewrite: {_TITLES[service]}",
              "version": about.version, "revision": about.revision,
              "licenses": release.LICENCE}
    if about.source:
        labels["source"] = about.source
    return ["--entrypoint", json.dumps(entry), "--cmd", "", "--stop-signal", "SIGTERM",
            "--user", f"{image_tree.USER_ID}:{image_tree.USER_ID}",
            "--workingdir", image_tree.HOME, "--port", f"{_PORTS[service]}/tcp",
            "--env", "PATH=/usr/local/bin:/usr/bin:/bin", "--env", f"HOME={image_tree.HOME}",
            "--env", "LANG=C.UTF-8",
            *[word for name, text in labels.items()
              for word in ("--label", f"org.opencontainers.image.{name}={text}")]]


class Container:
    """An image that is being made: its files lie in `folder` until it is written."""

    def __init__(self, work, service):
        self._store = [f"--root={work}/store", f"--runroot={work}/run", "--storage-driver=vfs"]
        self._service = service
        self._id = self._buildah("from", "--name", f"closewrite-{service}", "scratch")
        self.folder = self._buildah("mount", self._id)

    def write(self, about, output):
        """Writes the archive and the digest. Returns the digest."""
        archive = os.path.join(output, f"closewrite-{self._service}.oci.tar")
        if os.path.exists(archive):
            os.unlink(archive)  # An image would be added to those that are in it.
        self._buildah("umount", self._id)
        self._buildah("config", *settings(self._service, about), self._id)
        self._buildah("commit", "--quiet", "--format=oci", "--disable-compression=false",
                      f"--timestamp={about.epoch}", "--rm", self._id,
                      f"oci-archive:{archive}:closewrite/{self._service}:{about.version}")
        digest = digest_of(archive)
        with open(os.path.join(output, f"closewrite-{self._service}.digest"), "w",
                  encoding="ascii") as file:
            file.write(digest + "\n")
        return digest

    def _buildah(self, *args):
        done = subprocess.run(["buildah", *self._store, *args], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"buildah {args[0]}: {done.stderr.strip()}")
        return done.stdout.strip()


def digest_of(archive):
    """The digest of the one image in an archive."""
    with tarfile.open(archive) as files:
        index = json.load(files.extractfile("index.json"))
    return index["manifests"][0]["digest"]
