"""A real Samba server on a host, with one share `share`, and how smbclient reaches it."""

import os

from hosts import process

_PROGRAM = "/usr/sbin/smbd"
_CLIENT = "/usr/bin/smbclient"
_READY_S_MAX = 30.0

# Everything that smbd keeps lies in a folder of its own, so that nothing of the machine's is used.
_SERVER_CONFIG = """\
[global]
  server role = standalone server
  interfaces = {address}
  bind interfaces only = yes
  smb ports = 445
  disable netbios = yes
  map to guest = Bad User
  guest account = nobody
  private dir = {folder}
  state directory = {folder}
  cache directory = {folder}
  lock directory = {folder}
  pid directory = {folder}
  ncalrpc dir = {folder}/rpc
  log level = 1
  load printers = no
  printing = bsd
  printcap name = /dev/null
  disable spoolss = yes
[share]
  path = {path}
  guest ok = yes
  read only = no
  force user = root
"""
_CLIENT_CONFIG = """\
[global]
  client min protocol = SMB3
"""


class Samba:
    """smbd on `server`, which serves the folder `path`."""

    def __init__(self, server, path):
        missing = [each for each in (_PROGRAM, _CLIENT) if not os.path.exists(each)]
        if missing:
            raise RuntimeError(f"no {', '.join(missing)}: install what tests/packages names")
        self._server = server
        folder = os.path.join(server.folder, "samba")
        # Samba asks for this mode of the folder of its sockets.
        os.makedirs(os.path.join(folder, "rpc"), mode=0o755)
        config = os.path.join(folder, "smb.conf")
        _write(config, _SERVER_CONFIG.format(address=server.address, folder=folder, path=path))
        self._client_config = os.path.join(folder, "client.conf")
        _write(self._client_config, _CLIENT_CONFIG)
        self.process = server.spawn(
            [_PROGRAM, "--foreground", "--no-process-group", "--debug-stdout",
             f"--configfile={config}"], os.path.join(folder, "log"))
        process.until(self._serves, _READY_S_MAX, f"smbd of {server.name}")

    def argv(self, command):
        """The program that carries out `command`, in smbclient's own language."""
        return [_CLIENT, f"--configfile={self._client_config}", "--no-pass",
                f"//{self._server.address}/share", "--command", command]

    def _serves(self):
        if not self.process.alive():
            raise RuntimeError("smbd has ended: "
                               + self.process.read_log().decode(errors="replace"))
        return self._server.run(self.argv("ls")).returncode == 0


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
