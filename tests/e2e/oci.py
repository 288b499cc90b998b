"""Reads the archive of one OCI image (https://github.com/opencontainers/image-spec)."""

import json
import tarfile


class Archive:
    """`config`: what the image says of itself; `files`: {path without leading slash: TarInfo}."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.index = json.load(archive.extractfile("index.json"))
            manifest = json.load(self._blob(archive, self.index["manifests"][0]["digest"]))
            self.config = json.load(self._blob(archive, manifest["config"]["digest"]))["config"]
            self.files = {}
            self._contents = {}
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=self._blob(archive, layer["digest"])) as files:
                    self._take(files)

    @staticmethod
    def _blob(archive, digest):
        return archive.extractfile("blobs/" + digest.replace(":", "/"))

    def _take(self, files):
        for entry in files:
            path = entry.name.removeprefix("./").rstrip("/")
            self.files[path] = entry
            if entry.isreg():
                self._contents[path] = files.extractfile(entry).read()

    def read(self, path):
        """Content of a file."""
        return self._contents[path]

    def below(self, folder):
        """Paths of the regular files below a folder, sorted."""
        return sorted(path for path in self._contents if path.startswith(folder + "/"))
