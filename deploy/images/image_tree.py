"""The files of one image, made of a Debian root and the programs.

The executor's image is that whole root: scripts need a shell, and people put R and Python on top of
it with apt. The others hold nothing but their two programs, the libraries that ldd(1) prints for
these, certificates and time zones. What packages these come from is written where scanners look for
it in images without dpkg, /var/lib/dpkg/status.d.
"""

import os
import shutil
import stat
import subprocess

USER = "closewrite"
USER_ID = 7400
HOME = "/var/lib/closewrite"
CONFIG = "/etc/closewrite"
_SERVICE_WITH_ROOT = "executor"
_PROGRAMS = {"cli": "closewrite"}  # the others: closewrite-SERVICE

_PASSWD = f"{USER}:x:{USER_ID}:{USER_ID}:Closewrite:{HOME}:/usr/sbin/nologin\n"
_GROUP = f"{USER}:x:{USER_ID}:\n"
_SHADOW = f"{USER}:!*:19000::::::\n"
_ROOT_PASSWD = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
_ROOT_GROUP = "root:x:0:\n"
# Names that libc looks up without the files that it would take the order from.
_SWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"

_USR_LINKS = ("bin", "lib", "lib64", "sbin")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_ZONES = "/usr/share/zoneinfo"
_SYSTEM = ("/etc/debian_version", "/etc/os-release", "/usr/lib/os-release", "/etc/services",
           "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf", "/etc/protocols")


class Tree:
    """`root`: the folder that becomes the image; `packages`: {name: fields of its control file}."""

    def __init__(self, root, packages):
        self.root = root
        self.packages = packages

    def path(self, inside):
        """Where a path of the image lies now."""
        return os.path.join(self.root, inside.lstrip("/"))


def installed_name(program):
    """The path of a program in an image."""
    return f"/usr/bin/{_PROGRAMS.get(program, f'closewrite-{program}')}"


def make(debian, service, programs, folder):
    """The tree of a service's image, in an empty folder."""
    wanted = (service, "cli")
    if service == _SERVICE_WITH_ROOT:
        subprocess.run(["cp", "--archive", "--reflink=auto", debian + "/.", folder], check=True)
        tree = Tree(folder, _packages(debian))
        for name, line in (("passwd", _PASSWD), ("group", _GROUP), ("shadow", _SHADOW)):
            _append(tree.path(f"/etc/{name}"), line)
    else:
        tree = Tree(folder, {})
        _cut_out(debian, tree, [programs[name] for name in wanted])
    for name in wanted:
        os.makedirs(tree.path("/usr/bin"), exist_ok=True)
        shutil.copyfile(programs[name], tree.path(installed_name(name)))
        os.chmod(tree.path(installed_name(name)), 0o755)
    _folder(tree, CONFIG, 0o755)
    _folder(tree, "/tmp", 0o1777)
    _folder(tree, HOME, 0o750, USER_ID)
    return tree


def _cut_out(debian, tree, programs):
    """Copies what these programs need from the root of Debian."""
    for name in _USR_LINKS:
        os.makedirs(tree.path(f"/usr/{name}"), exist_ok=True)
        os.symlink(f"usr/{name}", tree.path(name))
    whole = Tree(debian, _packages(debian))
    wanted = {*_needed(whole, programs), _CERTIFICATES, *_SYSTEM, *_below(whole, _ZONES)}
    for path in sorted(wanted):
        _copy(whole, tree, path)
    owners = _owners(whole, {*wanted, "/usr/share/ca-certificates/mozilla"})
    for name in sorted(owners):
        tree.packages[name] = whole.packages[name]
        _copy(whole, tree, f"/usr/share/doc/{name}/copyright")
        _note(whole, tree, name)
    for name, text in (("passwd", _ROOT_PASSWD + _PASSWD), ("group", _ROOT_GROUP + _GROUP),
                       ("nsswitch.conf", _SWITCH)):
        _append(tree.path(f"/etc/{name}"), text)


def _needed(whole, programs):
    """Paths of the loader and of all libraries of these programs, as they are found in the root."""
    found = set()
    for program in programs:
        shutil.copyfile(program, whole.path("/tmp/program"))
        os.chmod(whole.path("/tmp/program"), 0o755)
        lines = subprocess.run(["chroot", whole.root, "/usr/bin/ldd", "/tmp/program"], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.splitlines()
        os.unlink(whole.path("/tmp/program"))
        for line in lines:
            words = line.split()
            if "not found" in line:
                raise RuntimeError(f"{program}: no library {words[0]} in the Debian root")
            path = words[2] if "=>" in words else words[0]
            if path.startswith("/"):
                found.add(_without_links(path))
    return found


def _without_links(path):
    """A path by way of /usr, which /lib and others are links into."""
    first = path.split("/")[1]
    return f"/usr{path}" if first in _USR_LINKS else path


def _below(whole, folder):
    for root, folders, names in os.walk(whole.path(folder)):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        yield from ("/" + os.path.relpath(os.path.join(root, name), whole.root)
                    for name in (*names, *links))


def _copy(whole, tree, path):
    """Copies a file, and all that the way to it by links needs."""
    source = whole.path(path)
    target = tree.path(path)
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    if os.path.islink(source):
        to = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(source)))
        _copy(whole, tree, _without_links(to))


def _owners(whole, paths):
    """The packages that these files came with."""
    info = whole.path("/var/lib/dpkg/info")
    found = set()
    for name in os.listdir(info):
        if name.endswith(".list"):
            with open(os.path.join(info, name), encoding="utf-8") as file:
                if any(_without_links(line) in paths for line in file.read().splitlines()
                       if line.count("/") > 1):
                    found.add(name[:-len(".list")].split(":")[0])
    return found


def _packages(debian):
    """{name: {field: text}} of dpkg's database."""
    found = {}
    with open(os.path.join(debian, "var/lib/dpkg/status"), encoding="utf-8") as file:
        for paragraph in file.read().strip().split("\n\n"):
            fields = {}
            for line in paragraph.splitlines():
                if line[0].isspace():
                    fields[last] += "\n" + line
                else:
                    last, _, text = line.partition(":")
                    fields[last] = text.strip()
            found[fields["Package"]] = fields
    return found


def _note(whole, tree, name):
    """Writes down a package of which files are in the image, and the hashes of these."""
    folder = tree.path("/var/lib/dpkg/status.d")
    os.makedirs(folder, exist_ok=True)
    fields = {key: text for key, text in whole.packages[name].items()
              if key not in ("Status", "Conffiles")}
    _append(os.path.join(folder, name), "".join(f"{key}: {text}\n" for key, text in fields.items()))
    architecture = fields["Architecture"]
    for stem in (name, f"{name}:{architecture}"):
        sums = whole.path(f"/var/lib/dpkg/info/{stem}.md5sums")
        if os.path.exists(sums):
            with open(sums, encoding="utf-8") as file:
                kept = [line for line in file
                        if os.path.lexists(tree.path(line.split(maxsplit=1)[1].strip()))]
            _append(os.path.join(folder, f"{name}.md5sums"), "".join(kept))


def _append(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def _folder(tree, inside, mode, owner=0):
    path = tree.path(inside)
    os.makedirs(path, exist_ok=True)
    os.chown(path, owner, owner)
    if stat.S_IMODE(os.stat(path).st_mode) != mode:
        os.chmod(path, mode)
