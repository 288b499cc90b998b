"""Two hosts that share two folders, as two machines of a team would.

    cw-a 10.77.0.1                              cw-b 10.77.0.2
      enriched/      lives here   <-- sshfs --    mnt/enriched/
      mnt/unenriched/             -- sshfs -->    unenriched/      lives here

Both mounts are real sshfs over real sshd with sshfs' default caches. The network is a veth pair
between the two hosts that the machine itself is no part of, so any number of pairs may live side by
side. Without `sshfs` they are two hosts that see the same folders under the same paths, as on one
fast disk. Without root both hosts are this machine, and a volume has the same path on both.
"""

import os
import shutil
import subprocess

from hosts import host, process

_ADDRESSES = {"cw-a": "10.77.0.1", "cw-b": "10.77.0.2"}
_READY_S_MAX = 20.0

_SSHD_CONFIG = """\
Port 22
ListenAddress {address}
HostKey {folder}/ssh/host_key
AuthorizedKeysFile {folder}/ssh/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
# `UsePAM no` refuses users with a locked password, so the hosts see a shadow file of our own.
_SHADOW = "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\nnobody:*:19000:0:99999:7:::\n"


class Pair:
    """Two hosts `a` and `b`, each with both volumes. Close it, or use it in a `with`."""

    def __init__(self, folder, namespaced=None, detached=False, sshfs=True):
        self.namespaced = os.geteuid() == 0 if namespaced is None else namespaced
        self._folder = folder
        self._volumes = {}  # (host name, volume): path
        for name in _ADDRESSES:
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        if not self.namespaced:
            self.a, self.b = (host.LocalHost(name, os.path.join(folder, name), detached=detached)
                              for name in _ADDRESSES)
            self._share_locally()
            return
        self.a, self.b = (host.NamespacedHost(name, os.path.join(folder, name), address, detached)
                          for name, address in _ADDRESSES.items())
        try:
            self._join()
            if not sshfs:
                self._share_locally()
                return
            for each in (self.a, self.b):
                self._serve_ssh(each)
            self._mount("unenriched", home=self.b, client=self.a)
            self._mount("enriched", home=self.a, client=self.b)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, on, volume):
        """Where host `on` has `volume`."""
        return self._volumes[(on.name, volume)]

    def mount_again(self, volume, home, client, name, options=()):
        """An sshfs mount of `volume` on `client` with caches of its own, and with further options.
        Returns its path."""
        point = os.path.join(client.folder, "mnt", name)
        os.makedirs(point, exist_ok=True)
        client.check([
            "/usr/bin/sshfs", f"root@{home.address}:{self.path(home, volume)}", point,
            "-F", "/dev/null", "-o", f"IdentityFile={self._folder}/user_key", "-o",
            f"UserKnownHostsFile={self._folder}/known_hosts", "-o", "StrictHostKeyChecking=yes",
            "-o", "BatchMode=yes", *[word for each in options for word in ("-o", each)]],
                     timeout=_READY_S_MAX)
        return point

    def close(self):
        """Ends both hosts and all that runs on them. May be called any number of times."""
        for each in (self.a, self.b):
            each.close()

    def _share_locally(self):
        for volume, home in (("unenriched", self.b), ("enriched", self.a)):
            path = os.path.join(home.folder, volume)
            os.makedirs(path, exist_ok=True)
            for each in (self.a, self.b):
                self._volumes[(each.name, volume)] = path

    def _join(self):
        # Process ids of this machine are used, so only the network namespace is entered.
        subprocess.run(
            ["/usr/bin/nsenter", "--target", str(self.a.pid), "--net", "ip", "link", "add", "net0",
             "type", "veth", "peer", "name", "net0", "netns", str(self.b.pid)], check=True)
        for each in (self.a, self.b):
            each.check(["ip", "address", "add", f"{each.address}/30", "dev", "net0"])
            each.check(["ip", "link", "set", "net0", "up"])

    def _serve_ssh(self, server):
        keys = os.path.join(server.folder, "ssh")
        os.makedirs(keys, mode=0o700)
        user_key = os.path.join(self._folder, "user_key")
        for key in (user_key, os.path.join(keys, "host_key")):
            if not os.path.exists(key):
                subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key],
                               check=True, stdin=subprocess.DEVNULL)
        shutil.copyfile(user_key + ".pub", os.path.join(keys, "authorized_keys"))
        with open(os.path.join(keys, "host_key.pub"), encoding="ascii") as file:
            host_key = " ".join(file.read().split()[:2])
        with open(os.path.join(self._folder, "known_hosts"), "a", encoding="ascii") as file:
            file.write(f"{server.address} {host_key}\n")
        config = os.path.join(keys, "sshd_config")
        _write(config, _SSHD_CONFIG.format(address=server.address, folder=server.folder))
        _write(os.path.join(keys, "shadow"), _SHADOW)
        _write(os.path.join(keys, "passwd"), _passwd(home=keys))
        for name in ("shadow", "passwd"):
            server.check(["mount", "--bind", os.path.join(keys, name), f"/etc/{name}"])
        log = os.path.join(server.folder, "sshd.log")
        sshd = server.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", config], log)
        process.until(lambda: b"listening on" in sshd.read_log() or not sshd.alive(), _READY_S_MAX,
                      f"sshd of {server.name}")
        if not sshd.alive():
            raise RuntimeError(f"sshd of {server.name} has ended: {sshd.read_log()!r}")

    def _mount(self, volume, home, client):
        path = os.path.join(home.folder, volume)
        os.makedirs(path)
        self._volumes[(home.name, volume)] = path
        self._volumes[(client.name, volume)] = self.mount_again(volume, home, client, volume)


def _passwd(home):
    """The users of this machine, but root without what the machine's own runs at a login."""
    with open("/etc/passwd", encoding="utf-8") as file:
        others = [line for line in file if not line.startswith("root:")]
    return "".join([f"root:x:0:0:root:{home}:/bin/sh\n", *others])


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
