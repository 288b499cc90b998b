"""Files that programs on the home host write make exactly one job a final version."""

import os

from e2e import shares

_SMALL_BYTES = 3000
_LARGE_BYTES = 8 << 20

# Sets the times after the close, as unzip and browsers do.
_SET_TIMES = """
import os, shutil, sys
shutil.copyfile(sys.argv[1], sys.argv[2])
os.utime(sys.argv[2], (1e9, 1e9))
"""
# Renames what it has not closed yet.
_RENAME_FIRST = """
import os, sys
with open(sys.argv[1], "rb") as source, open(sys.argv[2] + ".part", "wb") as target:
    target.write(source.read())
    target.flush()
    os.rename(sys.argv[2] + ".part", sys.argv[2])
"""
# A file without a name that is linked into place, as some databases and downloaders do.
_LINK_UNNAMED = """
import os, sys
fd = os.open(os.path.dirname(sys.argv[2]), os.O_TMPFILE | os.O_WRONLY, 0o644)
with open(sys.argv[1], "rb") as source:
    os.write(fd, source.read())
os.link(f"/proc/self/fd/{fd}", sys.argv[2], src_dir_fd=fd, follow_symlinks=True)
os.close(fd)
"""


class HomeProgramsTest(shares.ShareCase):
    """Everything here runs on cw-b, in the volume itself."""

    contracts = {**shares.CONTRACTS, "settle": "when: close_write, settle: 2s"}

    def _run(self, script, *args):
        """A shell script in the volume."""
        self.hosts.b.check(["/bin/sh", "-ec", 'cd "$0" && ' + script, self.share, *args])

    def test_programs(self):
        small = self.content(_SMALL_BYTES)
        source = self.source("small", small)
        self._write_files(small, source)
        self._write_twice(small, source)
        self._write_directories()
        self._rename(small, source)
        self.check()

    def _write_files(self, small, source):
        for name in ("cp-a", "rsync", "inplace", "install", "mv", "set-times", "unnamed", "link",
                     "rename-first", "new/sub/folder/file"):
            self.want(f"close/{name}", small)
        self._run("""
            cp -a "$1" close/cp-a
            rsync -a "$1" close/rsync
            rsync -a --inplace "$1" close/inplace
            install -p -m 640 "$1" close/install
            cp "$1" close/mv.part && mv close/mv.part close/mv
            ln "$1" close/link
            mkdir -p close/new/sub/folder && cp "$1" close/new/sub/folder/file
            """, source)
        for name, program in (("set-times", _SET_TIMES), ("unnamed", _LINK_UNNAMED),
                              ("rename-first", _RENAME_FIRST)):
            self.hosts.b.check(["/usr/bin/python3", "-c", program, source,
                                os.path.join(self.share, "close", name)])
        large = self.content(_LARGE_BYTES)
        self.want("close/dd", large)
        self._run('dd if="$1" of=close/dd bs=64k conv=fsync status=none',
                  self.source("large", large))

    def _write_twice(self, small, source):
        """What changes a file that is there: each version but the last may have a job too."""
        self.want("close/vi", b"new\n", versions=2)
        # Its temporary name, sedXXXXXX, is like any other: close_write may make a job of that too.
        self.want("rename/sed", b"new\n" * 3)
        self.want("close/appended", small * 3, versions=3)
        self.want("settle/appended", small * 3, versions=3, succeeding=1)
        self._run("printf 'old!\\nold!\\nold!\\n' > rename/sed")
        # Else the watcher may look at the first version when the second is in its place.
        self.fleet.must("flush", "unenriched")
        self._run("""
            sed -i s/old!/new/ rename/sed
            echo older > close/vi
            mv close/vi close/vi~ && echo new > close/vi && chmod 600 close/vi && rm close/vi~
            for time in 1 2 3; do cat "$1" >> close/appended; cat "$1" >> settle/appended; done
            """, source)

    def _write_directories(self):
        """Trees that come whole."""
        for number in range(self.files):
            name, content = f"{number % 7}/{number:03d}", b"%d " % number * 20
            self.source(f"tree/{name}", content)
            for to in ("tar", "copied", "moved"):
                self.want(f"close/{to}/{name}", content)
        tree = os.path.join(self.folder, "source", "tree")
        self._run("""
            mkdir close/tar && tar -C "$1" -c . | tar -C close/tar -x
            cp -r "$1" close/copied
            cp -r "$1" "$1.moved" && mv "$1.moved" close/moved
            """, tree)

    def _rename(self, small, source):
        """What `when: rename` and a marker take."""
        for name in ("rename/mv", "rename/rsync", "rename/rename-first", "rename/folder/file",
                     "marker/cp"):
            self.want(name, small)
        self._run("""
            cp "$1" rename/mv.part && mv rename/mv.part rename/mv
            rsync "$1" rename/rsync
            cp "$1" rename/not-renamed
            mkdir "$2" && cp "$1" "$2/file" && mv "$2" rename/folder
            cp "$1" marker/cp && touch marker/cp.done
            cp "$1" marker/no-marker
            """, source, os.path.join(self.folder, "source", "folder"))
        self.hosts.b.check(["/usr/bin/python3", "-c", _RENAME_FIRST, source,
                            os.path.join(self.share, "rename", "rename-first")])
