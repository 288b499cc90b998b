"""A real NFS server (nfs-ganesha) on a host, for NFSv3 and NFSv4, and how libnfs reaches it.

The kernel's own NFS server and client can't be part of a host in namespaces, so both ends run in
user space: ganesha with its VFS back end, which works on a local file system by its file handles.
"""

import glob
import os
import subprocess

from hosts import process

_PROGRAM = "/usr/bin/ganesha.nfsd"
_RPCBIND = "/usr/sbin/rpcbind"
_LS = "/usr/bin/nfs-ls"
_NEEDED = (_PROGRAM, _RPCBIND, _LS, "/usr/lib/*/ganesha/libfsalvfs.so")
# Of these the VFS back end can open files by their handles.
_FILE_SYSTEMS = ("ext2/ext3", "xfs", "btrfs")  # as stat(1) calls them
_READY_S_MAX = 30.0
_PORT_NFS = 2049
_PORT_MOUNT = 20048

# NFSv4 has no grace period here: there is nothing to reclaim. A client that fell silent has lost
# its files after one lease.
_CONFIG = """\
NFS_CORE_PARAM {{
  Bind_addr = {address};
  NFS_Port = {port_nfs};
  MNT_Port = {port_mount};
  Protocols = 3, 4;
  Enable_NLM = false;
  Enable_RQUOTA = false;
}}
NFSV4 {{
  Lease_Lifetime = {lease_s};
  Graceless = true;
  Delegations = false;
  RecoveryBackend = fs;
  RecoveryRoot = {folder};
}}
NFS_KRB5 {{ Active_krb5 = false; }}
EXPORT {{
  Export_Id = 1;
  Path = {path};
  Pseudo = {path};
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  Protocols = 3, 4;
  Transports = TCP;
  FSAL {{ Name = VFS; }}
}}
"""


def _check(path):
    missing = [each for each in _NEEDED if not glob.glob(each)]
    if missing:
        raise RuntimeError(f"no {', '.join(missing)}: install what tests/packages names")
    kind = subprocess.run(["stat", "--file-system", "--format=%T", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    if kind not in _FILE_SYSTEMS:
        raise RuntimeError(f"{path} lies on {kind}, which nfs-ganesha can't serve; set TMPDIR to a "
                           f"folder on one of {', '.join(_FILE_SYSTEMS)}")


class Ganesha:
    """ganesha.nfsd on `server`, which serves the folder `path`."""

    def __init__(self, server, path, lease_s=5):
        _check(path)
        self.path = path
        self._server = server
        folder = os.path.join(server.folder, "ganesha")
        os.makedirs(folder)
        config = os.path.join(folder, "ganesha.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(address=server.address, port_nfs=_PORT_NFS,
                                      port_mount=_PORT_MOUNT, lease_s=lease_s, folder=folder,
                                      path=path))
        # NFSv3 has its ports told by rpcbind, which ganesha does not start without.
        self._rpcbind = server.spawn([_RPCBIND, "-f", "-w"],
                                     os.path.join(folder, "rpcbind.log"))
        self.process = server.spawn(
            [_PROGRAM, "-F", "-L", "STDOUT", "-N", "NIV_EVENT", "-f", config, "-p",
             os.path.join(folder, "pid")], os.path.join(folder, "log"))
        process.until(self._serves, _READY_S_MAX, f"nfs-ganesha of {server.name}")

    def url(self, path="", version=4):
        """The address of a file or folder, as libnfs' tools take it."""
        return f"nfs://{self._server.address}{self.path}/{path}?version={version}"

    def _serves(self):
        if not self.process.alive():
            raise RuntimeError("ganesha.nfsd has ended: "
                               + self.process.read_log().decode(errors="replace"))
        return all(self._server.run([_LS, self.url(version=version)]).returncode == 0
                   for version in (3, 4))
