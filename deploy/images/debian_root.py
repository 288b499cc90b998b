"""A Debian root with all libraries that the programs are linked with, made by mmdebstrap.

It is the same, byte by byte, for the same packages of the same state of Debian's archive, which the
Release files of its suites stand for: so it is kept in the cache under their hash. It is made with
the time of the archive, not of a commit, or each commit would need another one.
"""

import argparse
import email.utils
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys

import work_folder

_SUITE = "bookworm"
_ARCHIVES = {_SUITE: "debian", f"{_SUITE}-updates": "debian",
             f"{_SUITE}-security": "debian-security"}
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SNAPSHOT = "http://snapshot.debian.org/archive/{archive}/{time}"
_SNAPSHOT_TIME = re.compile(r"20\d{6}T\d{6}Z")
_APT_HELPER = "/usr/lib/apt/apt-helper"
# What no library says: certificates for those who are called, zones for schedules, and the first
# process of the executor's image.
_PACKAGES = ("ca-certificates", "catatonit", "tzdata")
# As in Debian's own slim images: documents stay out, but what licences demand stays in.
_LEFT_OUT = ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*",
             "path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias",
             "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright",
             "path-exclude=/usr/share/lintian/*", "path-exclude=/usr/share/bash-completion/*")
# Debian's package usrmerge would bring Perl with it, 47 MB; this makes usr-is-merged do.
_HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"
_ROOTS_KEPT_MAX = 2
_DATE = re.compile(rb"^Date: (.*)$", re.MULTILINE)


def snapshot_time(text):
    """For argparse."""
    if not _SNAPSHOT_TIME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no time such as 20261127T000000Z")
    return text


def unpacked(work, programs, snapshot=None):
    """Makes or finds the root for these programs, and unpacks it below `work`. Returns its path."""
    packages = sorted({*_PACKAGES, *libraries(programs)})
    sources = _sources(snapshot)
    tar = _cached(packages, sources, *_releases(work, sources))
    root = os.path.join(work, "root")
    os.mkdir(root)
    subprocess.run(["tar", "--extract", "--file", tar, "--directory", root, "--numeric-owner",
                    "--xattrs", "--xattrs-include=*", "--exclude=./dev/*"], check=True)
    return root


def libraries(programs):
    """The packages of all libraries that ldd(1) finds here for these programs."""
    lines = subprocess.run(["ldd", *programs], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.splitlines()
    lost = [line.strip() for line in lines if "not found" in line]
    if lost:
        raise RuntimeError(f"this machine lacks libraries of the programs: {lost[0]}; run "
                           "deploy/local/setup")
    paths = {line.split()[2] for line in lines if " => /" in line}
    # Packages know a file by its path before /lib became a link to /usr/lib, or by the one since.
    known = {name for path in paths for name in _both_names(os.path.realpath(path))}
    owners = subprocess.run(["dpkg-query", "--search", *sorted(known)], check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {line.split(":")[0] for line in owners.splitlines()}


def _both_names(path):
    return (path, path[len("/usr"):]) if path.startswith("/usr/lib") else (path, "/usr" + path)


def _sources(snapshot):
    """{suite: URI of its archive}."""
    if snapshot:
        return {suite: _SNAPSHOT.format(archive=archive, time=snapshot)
                for suite, archive in _ARCHIVES.items()}
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)",
         "Identifier: Packages"], check=True, stdout=subprocess.PIPE, text=True).stdout
    fields = [line.split() for line in lines.splitlines()]
    found = {each[1]: each[2] for each in fields
             if len(each) == 3 and each[0] == "Debian" and each[1] in _ARCHIVES}
    if _SUITE not in found:
        raise RuntimeError(f"apt has no list of Debian's {_SUITE}; run apt-get update, or give "
                           "--snapshot")
    return dict(sorted(found.items()))


def _releases(work, sources):
    """(hash, time) of the archive's state."""
    digest = hashlib.sha256()
    newest = 0
    for suite, uri in sources.items():
        url = f"{uri.rstrip('/')}/dists/{suite}/InRelease"
        path = os.path.join(work, f"{suite}.InRelease")
        # Not as user _apt, who may not write here.
        subprocess.run([_APT_HELPER, "-qq", "-o", "APT::Sandbox::User=root", "download-file", url,
                        path], check=True, stdout=subprocess.DEVNULL)
        with open(path, "rb") as file:
            text = file.read()
        digest.update(text)
        date = email.utils.parsedate_to_datetime(_DATE.search(text).group(1).decode())
        newest = max(newest, int(date.timestamp()))
    return digest.hexdigest(), newest


def _cached(packages, sources, state, epoch):
    recipe = "\n".join([state, _HOOKS, *packages, *_LEFT_OUT])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    folder = work_folder.cache("roots")
    tar = os.path.join(folder, f"{key}.tar")
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(tar):
            print("images: making a Debian root", file=sys.stderr, flush=True)
            _bootstrap(packages, sources, epoch, tar + ".new")
            os.rename(tar + ".new", tar)
            _forget(folder)
        os.utime(tar)
    return tar


def _bootstrap(packages, sources, epoch, tar):
    """Packages that were fetched once are in the cache; those that are out of date leave it."""
    debs, fresh = work_folder.cache("debs"), work_folder.cache("debs.new")
    lines = [f"deb [signed-by={_KEYRING} check-valid-until=no] {uri} {suite} main"
             for suite, uri in sources.items()]
    archives = "/var/cache/apt/archives"
    done = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=apt", "--format=tar", "--quiet",
         f"--include={','.join(packages)}", *[f"--dpkgopt={each}" for each in _LEFT_OUT],
         "--aptopt=Apt::Install-Recommends false",
         "--skip=download/empty", "--skip=essential/unlink",
         f"--hook-dir={_HOOKS}", f"--setup-hook=mkdir -p \"$1\"{archives}",
         f"--setup-hook=sync-in {shlex.quote(debs)} {archives}",
         "--customize-hook=chroot \"$1\" apt-get -qq autoclean",
         f"--customize-hook=sync-out {archives} {shlex.quote(fresh)}",
         _SUITE, tar, *lines],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap exited with {done.returncode}: {done.stdout[-2000:]}")
    shutil.rmtree(debs)
    os.rename(fresh, debs)


def _forget(folder):
    tars = sorted((os.path.join(folder, name) for name in os.listdir(folder)
                   if name.endswith(".tar")), key=os.path.getmtime)
    for path in tars[:-_ROOTS_KEPT_MAX]:
        os.unlink(path)
