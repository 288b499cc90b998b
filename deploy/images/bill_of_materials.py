"""What an image consists of, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/)."""

import datetime
import hashlib
import json
import os
import re
import urllib.parse
import uuid

import image_tree
import release

_LICENCE = re.compile(r"^License: *(\S.*?) *$", re.MULTILINE)
_MACHINE_READABLE = re.compile(r"^Format:.*copyright-format", re.MULTILINE)


class Bill:
    """What an image consists of, looked up before its files are packed."""

    def __init__(self, tree, service, about):
        version, codename = _debian(tree)
        self._service = service
        self._about = about
        self._components = [
            *[_program(tree, name, about) for name in (service, "cli")],
            {"type": "operating-system", "bom-ref": "debian", "name": "debian",
             "version": version, "description": codename},
            *[_package(tree, name, version) for name in sorted(tree.packages)],
        ]

    def write(self, digest, output):
        """Writes it beside the image of this digest."""
        moment = datetime.datetime.fromtimestamp(self._about.epoch, datetime.timezone.utc)
        bill = {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{self._service} {digest}").urn,
            "version": 1,
            "metadata": {
                "timestamp": moment.isoformat().replace("+00:00", "Z"),
                "component": {
                    "type": "container", "bom-ref": f"image-{self._service}",
                    "name": f"closewrite/{self._service}", "version": self._about.version,
                    "hashes": [{"alg": "SHA-256", "content": digest.partition(":")[2]}],
                },
            },
            "components": self._components,
        }
        path = os.path.join(output, f"closewrite-{self._service}.cdx.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(bill, file, indent=1)
            file.write("\n")


def _debian(tree):
    with open(tree.path("/usr/lib/os-release"), encoding="utf-8") as file:
        fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return fields["VERSION_ID"].strip('"'), fields["VERSION_CODENAME"].strip('"')


def _program(tree, name, about):
    inside = image_tree.installed_name(name)
    with open(tree.path(inside), "rb") as file:
        content = file.read()
    found = {
        "type": "application", "bom-ref": f"program-{name}", "name": os.path.basename(inside),
        "version": about.version, "licenses": [{"license": {"id": release.LICENCE}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
        "purl": f"pkg:generic/{os.path.basename(inside)}@{about.version}",
        "properties": [{"name": "closewrite:path", "value": inside},
                       {"name": "closewrite:revision", "value": about.revision}],
    }
    if about.source:
        found["externalReferences"] = [{"type": "vcs", "url": about.source}]
    return found


def _package(tree, name, distribution):
    fields = tree.packages[name]
    version, architecture = fields["Version"], fields["Architecture"]
    quoted = urllib.parse.quote(version, safe="")
    found = {
        "type": "library", "bom-ref": f"package-{name}", "name": name, "version": version,
        "description": fields["Description"].split("\n")[0],
        "purl": f"pkg:deb/debian/{urllib.parse.quote(name, safe='')}@{quoted}"
                f"?arch={architecture}&distro=debian-{distribution}",
    }
    source = fields.get("Source", name)
    found["properties"] = [{"name": "debian:source", "value": source}]
    licences = _licences(tree, name)
    if licences:
        found["licenses"] = [{"license": {"name": " and ".join(licences)}}]
    return found


def _licences(tree, name):
    """Short names of a package's licences, where its copyright file is machine-readable
    (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/); Debian's names are not
    SPDX's, so they are no identifiers."""
    try:
        with open(tree.path(f"/usr/share/doc/{name}/copyright"), encoding="utf-8",
                  errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    return sorted(set(_LICENCE.findall(text))) if _MACHINE_READABLE.search(text) else []
