#!/usr/bin/python3
"""An NFS client of the tests, by libnfs: carries out commands of one line each from stdin.

  nfs_client.py SERVER EXPORT VERSION

  mkdir PATH            makes a directory
  put LOCAL PATH        writes a file: create, write, close
  append LOCAL PATH     opens it again and writes at its end
  rename PATH PATH
  remove PATH
  begin LOCAL PATH      writes what LOCAL holds, then says `begun`, keeps the file open and waits

Words are quoted as in a shell. NFSv3 has no close, so that there `close` tells the server nothing.
"""

import ctypes
import os
import shlex
import signal
import sys

_LIBRARY = "libnfs.so.13"
# libnfs 4.0 can't encode larger NFSv4 writes than about 1 KiB.
_CHUNK_BYTES = {3: 1 << 20, 4: 512}
_MODE = 0o644


class Client:
    """One mount. Every call raises OSError with libnfs' words when it fails."""

    def __init__(self, server, export, version):
        self._nfs = ctypes.CDLL(_LIBRARY)
        self._nfs.nfs_init_context.restype = ctypes.c_void_p
        self._nfs.nfs_get_error.restype = ctypes.c_char_p
        self._nfs.nfs_pwrite.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64,
                                         ctypes.c_uint64, ctypes.c_char_p]
        self._context = ctypes.c_void_p(self._nfs.nfs_init_context())
        self._chunk_bytes = _CHUNK_BYTES[version]
        self._call("nfs_set_version", version)
        self._call("nfs_mount", server.encode(), export.encode())

    def _call(self, name, *args):
        done = getattr(self._nfs, name)(self._context, *args)
        if done < 0:
            what = self._nfs.nfs_get_error(self._context)
            raise OSError(-done, f"{name}: {(what or b'').decode(errors='replace')}")
        return done

    def mkdir(self, path):
        """Makes a directory."""
        self._call("nfs_mkdir", path.encode())

    def rename(self, source, target):
        """Renames within the export."""
        self._call("nfs_rename", source.encode(), target.encode())

    def remove(self, path):
        """Removes a file."""
        self._call("nfs_unlink", path.encode())

    def put(self, local, path):
        """Writes a new file."""
        self._close(self._write(self._create(path), local, 0))

    def append(self, local, path):
        """Writes at the end of a file that may be there."""
        handle = ctypes.c_void_p()
        try:
            self._call("nfs_open", path.encode(), os.O_WRONLY, ctypes.byref(handle))
        except OSError:
            handle = self._create(path)
        end = ctypes.c_uint64()
        self._call("nfs_lseek", handle, ctypes.c_int64(0), os.SEEK_END, ctypes.byref(end))
        self._close(self._write(handle, local, end.value))

    def begin(self, local, path):
        """Writes, and never closes."""
        self._write(self._create(path), local, 0)
        print("begun", path, flush=True)
        while True:
            signal.pause()

    def _create(self, path):
        handle = ctypes.c_void_p()
        self._call("nfs_open2", path.encode(), os.O_CREAT | os.O_WRONLY, _MODE,
                   ctypes.byref(handle))
        return handle

    def _write(self, handle, local, offset):
        with open(local, "rb") as file:
            while True:
                chunk = file.read(self._chunk_bytes)
                if not chunk:
                    return handle
                self._call("nfs_pwrite", handle, offset, len(chunk), chunk)
                offset += len(chunk)

    def _close(self, handle):
        self._call("nfs_close", handle)


def main():
    """Carries out all commands; the first that fails ends it."""
    client = Client(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    for line in sys.stdin:
        words = shlex.split(line)
        getattr(client, words[0])(*words[1:])


if __name__ == "__main__":
    main()
