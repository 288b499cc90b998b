"""Files that come through real file servers make exactly one job a final version.

Each test starts a real server on the home host of a share and writes through a real client on the
other host, in the ways in which people write; see shares.py for what is wanted of the jobs.
"""

import os
import shlex
import subprocess

from e2e import shares
from hosts import ganesha, samba

_SMALL_BYTES = 1000  # Also small enough for NFSv4 of libnfs.
_LARGE_BYTES = 64 << 20
_LARGE_OF_NFS4_BYTES = 256 << 10
_PART_BYTES = 20_000_000
_PART_OF_NFS_BYTES = 5000
_KILL_S_MAX = 60.0


class _ServerCase(shares.ShareCase):
    """What the uploads have in common."""

    def setUp(self):
        super().setUp()
        self.small = self.content(_SMALL_BYTES)
        self.small_file = self.source("small", self.small)

    def _many(self, to):
        """A folder with many small files; each is wanted below `to`. Returns its path."""
        for number in range(self.files):
            content = b"%d " % number * 20
            name = f"{number % 10}/{number:03d}"
            self.want(f"{to}/{name}", content)
            self.source(f"many/{name}", content)
        return os.path.join(self.folder, "source", "many")

    def _large(self, path, size=_LARGE_BYTES):
        """A large source file that is wanted at `path`. Returns its path."""
        content = self.content(size)
        self.want(path, content)
        return self.source("large", content)

    def _lines(self, path):
        """Three files that hold one more line each, which are wanted at `path` after the last."""
        lines = [self.content(100) for _ in range(3)]
        self.want(path, b"".join(lines), versions=3)
        return lines

    def _until_arrived(self, path, what):
        """Waits until a part of `path` is on the home host."""
        full = os.path.join(self.share, path)
        self.until(lambda: os.path.exists(full) and os.path.getsize(full), what, _KILL_S_MAX)

    def _kill(self, word):
        """SIGKILL to the one program on cw-a that has `word` in its command line."""
        found = [pid for pid, words in self.hosts.a.processes()
                 if any(word.encode() in each for each in words[1:]) and b"/sh" not in words[0]]
        self.assertEqual(len(found), 1, self.hosts.a.processes())
        os.kill(found[0], 9)


class SshfsTest(_ServerCase):
    """OpenSSH's server and an sshfs mount with its default caches."""

    def setUp(self):
        super().setUp()
        self.mount = self.hosts.path(self.hosts.a, "unenriched")

    def _run(self, script, *args):
        """A shell script on cw-a, in the mount."""
        return self.hosts.a.check(["/bin/sh", "-ec", 'cd "$0" && ' + script, self.mount, *args])

    def test_uploads(self):
        for name in ("close/cp", "close/rsync", "close/rsync-times", "close/inplace", "close/mv",
                     "rename/rsync", "rename/mv", "marker/cp"):
            self.want(name, self.small)
        self._run("""
            cp "$1" close/cp
            rsync "$1" close/rsync
            rsync -a "$1" close/rsync-times
            rsync -a --inplace "$1" close/inplace
            cp "$1" close/mv.part && mv close/mv.part close/mv
            rsync "$1" rename/rsync
            cp "$1" rename/mv.part && mv rename/mv.part rename/mv
            cp "$1" rename/not-renamed
            cp "$1" marker/cp && touch marker/cp.done
            cp "$1" marker/no-marker
            """, self.small_file)
        self._over_ssh()
        self._append()
        self._run('dd if="$1" of=close/large bs=128k status=none', self._large("close/large"))
        self._run('cp -r "$1" close/many', self._many("close/many"))
        self._kill_in_the_middle()
        self.check()

    def _over_ssh(self):
        """Programs that need no mount, with the keys that the mount uses."""
        ssh = (f"-F /dev/null -o IdentityFile={self.folder}/user_key -o BatchMode=yes "
               f"-o UserKnownHostsFile={self.folder}/known_hosts")
        for name in ("close/scp", "close/scp-old", "close/sftp", "close/ssh-rsync"):
            self.want(name, self.small)
        self._run(f"""
            scp -q {ssh} "$1" root@"$2":"$3/close/scp"
            scp -q -O {ssh} "$1" root@"$2":"$3/close/scp-old"
            echo "put $1 $3/close/sftp" | sftp -q -b - {ssh} root@"$2"
            rsync -a -e "ssh {ssh}" "$1" root@"$2":"$3/close/ssh-rsync"
            """, self.small_file, self.hosts.b.address, self.share)

    def _append(self):
        for line in self._lines("close/appended"):
            self._run('cat "$1" >> close/appended', self.source("line", line))

    def _kill_in_the_middle(self):
        """A mount that dies with three uploads: the server closes what it has of them.

        OpenSSH's sftp server takes 16 KiB at a time and answers one request, so it falls behind
        small writes, and copies all that waits for each of them: three files of 20 MB in writes of
        4 KiB took it more than a minute. Large blocks it serves at once.
        """
        names = ("close/killed", "rename/killed", "marker/killed")
        large = os.path.join(self.folder, "source", "large")
        mount = self.hosts.mount_again("unenriched", home=self.hosts.b, client=self.hosts.a,
                                       name="dies")
        for name in names:
            self.hosts.a.spawn(
                ["/bin/sh", "-c", f'(dd if="$0" bs=128k count={_PART_BYTES >> 17} status=none; '
                 'exec sleep 1000) > "$1"', large, os.path.join(mount, name)],
                os.path.join(self.folder, "killed.log"))
        for name in names:
            self._until_arrived(name, f"a part of {name}")
        self._kill(f"{mount}")
        self.want_truncated("close/killed", _LARGE_BYTES)


class SambaTest(_ServerCase):
    """smbd, and smbclient on the other host."""

    def setUp(self):
        super().setUp()
        self.samba = samba.Samba(self.hosts.b, self.share)

    def _run(self, *commands):
        """Commands of smbclient, which exits with 0 whatever it could not do."""
        done = self.hosts.a.run(self.samba.argv("; ".join(commands)), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        bad = [line for line in done.stdout.splitlines()
               if b"NT_STATUS" in line or b"does not exist" in line]
        self.assertEqual((done.returncode, bad), (0, []))

    def test_uploads(self):
        small, empty = self.small_file, self.source("empty", b"")
        for name in ("close/put", "close/renamed", "rename/renamed", "marker/put"):
            self.want(name, self.small)
        self._run(f"put {small} close\\put",
                  f"put {small} close\\renamed.part", "rename close\\renamed.part close\\renamed",
                  f"put {small} rename\\it.part", "rename rename\\it.part rename\\renamed",
                  f"put {small} rename\\not-renamed",
                  f"put {small} marker\\put", f"put {empty} marker\\put.done",
                  f"put {small} marker\\no-marker")
        content = b""
        for line in self._lines("close/growing"):
            # smbclient can't append; its reput writes at the start.
            content += line
            self._run(f"put {self.source('growing', content)} close\\growing")
        self._run(f"put {self._large('close/large')} close\\large")
        many = self._many("close/many")
        self._run("mkdir close\\many", "cd close\\many", f"lcd {many}", "prompt off", "recurse on",
                  "mput *")
        self._kill_in_the_middle()
        self.check()

    def _kill_in_the_middle(self):
        large = os.path.join(self.folder, "source", "large")
        names = ("close/killed", "rename/killed", "marker/killed")
        for name in names:
            command = shlex.join(self.samba.argv(f"put - {name}"))
            self.hosts.a.spawn(
                ["/bin/sh", "-c", f"(head -c {_PART_BYTES} \"$0\"; exec sleep 1000) | {command}",
                 large], os.path.join(self.folder, "killed.log"))
        for name in names:
            self._until_arrived(name, f"a part of {name}")
            self._kill(f"put - {name}")
        self.want_truncated("close/killed", _LARGE_BYTES)


class _NfsCase(_ServerCase):
    """nfs-ganesha, and libnfs on the other host.

    The server keeps a file open for writing long after the client has written it: NFSv3 has no
    close at all, and after NFSv4's the server's own cache holds it. So no file is ever known to be
    closed, and every contract has to accept one that has not changed for a while.
    """

    volume_options = "nfs_exported: true"
    contracts = {
        "quiet": "when: quiet, quiet: 2s",
        "rename": "when: rename, evidence: quiet",
        "marker": 'marker: "{name}.done", evidence: quiet',
    }
    version = 0

    def setUp(self):
        super().setUp()
        self.ganesha = ganesha.Ganesha(self.hosts.b, self.share)

    def _client(self):
        return [self.script("nfs_client.py"), self.hosts.b.address, self.share, str(self.version)]

    def _run(self, *commands):
        """Commands of nfs_client.py."""
        self.hosts.a.check(self._client(), input="\n".join(commands).encode())

    def _upload(self, large_bytes):
        small = self.small_file
        for name in ("quiet/nfs-cp", "quiet/put", "quiet/renamed", "rename/renamed", "marker/put"):
            self.want(name, self.small)
        self.hosts.a.check(["/usr/bin/nfs-cp", small,
                            self.ganesha.url("quiet/nfs-cp", self.version)])
        self._run(f"put {small} rename/it.part", "rename rename/it.part rename/renamed")
        self._run(f"put {small} quiet/put",
                  f"put {small} quiet/it.part", "rename quiet/it.part quiet/renamed",
                  f"put {small} rename/not-renamed",
                  f"put {small} marker/put", "put /dev/null marker/put.done",
                  f"put {small} marker/no-marker",
                  f"put {self._large('quiet/large', large_bytes)} quiet/large")
        for number, line in enumerate(self._lines("quiet/appended")):
            self._run(f"append {self.source(f'line{number}', line)} quiet/appended")
        many = self._many("quiet/many")
        commands = ["mkdir quiet/many", *(f"mkdir quiet/many/{number}" for number in range(10))]
        for number in range(self.files):
            name = f"{number % 10}/{number:03d}"
            commands.append(f"put {many}/{name} quiet/many/{name}")
        self._run(*commands)

    def _kill_in_the_middle(self):
        """Clients that have written a part, and die."""
        for name in ("quiet/killed", "rename/killed", "marker/killed"):
            source = self.source("part", self.content(_PART_OF_NFS_BYTES))
            commands = self.source("commands", f"begin {source} {name}\n".encode())
            client = self.hosts.a.spawn(
                ["/bin/sh", "-c", f"exec {shlex.join(self._client())} < {commands}"],
                os.path.join(self.folder, "killed.log"))
            self.until(lambda name=name, client=client: f"begun {name}".encode()
                       in client.read_log(), f"a part of {name}", _KILL_S_MAX)
            client.kill()
        self.want_truncated("quiet/killed", _LARGE_BYTES)


class Nfs3Test(_NfsCase):
    """NFSv3."""

    version = 3

    def test_uploads(self):
        self._upload(_LARGE_BYTES)
        self._kill_in_the_middle()
        self.check()


class Nfs4Test(_NfsCase):
    """NFSv4."""

    version = 4

    def test_uploads(self):
        self._upload(_LARGE_OF_NFS4_BYTES)
        self._kill_in_the_middle()
        self.check()
