"""Inputs to begin with, by target. What FuzzedDataProvider takes as a number lies at the end of an
input; a text that has a length of its own ends with a backslash and anything but another."""

import struct

_INOTIFY = struct.Struct("iIII")
_FANOTIFY = struct.Struct("IBBHQii")
_NAMED = b"file.csv" + bytes(8)
_HANDLE = struct.pack("Ii", 8, 1) + b"handle.."


def _record(kind, body):
    """A struct fanotify_event_info_fid; it is padded to four bytes."""
    body += bytes(-len(body) % 4)
    return struct.pack("BBHii", kind, 0, 12 + len(body), 5, 6) + body


def _fanotify(*records):
    body = b"".join(records)
    return _FANOTIFY.pack(24 + len(body), 3, 0, 24, 8, -1, 0) + body


def _log_record(stream, data):
    return struct.pack("<qIB3x", 1795345200123456, len(data), stream) + data


SEEDS = {
    "glob": (
        b"**/*.csv\\.d/e/x.csv\x00",
        b"{in,out}/[!a-f-]?*.gz\\.in/xyz.gz\x00",
        b"a*b*c/**/d\\.axbxc/e/f/d\x00",
        b"\\\\[\\\\*\\\\]/**\\.[*]/x\x00",
        b"abacab\\.abacab\x01",
    ),
    "ledger": tuple(bytes(range(start, start + 40)) for start in range(0, 200, 20)),
    "inotify_decode": (
        _INOTIFY.pack(3, 8, 0, len(_NAMED)) + _NAMED + b"\x00",
        _INOTIFY.pack(-1, 0x4000, 0, 0) + _INOTIFY.pack(1, 0x40000080, 7, 16) + bytes(16) + b"\x00",
        bytes(range(64)) + b"\x01",
    ),
    "fanotify_decode": (
        _fanotify(_record(2, _HANDLE + b"file.csv\0"), _record(1, _HANDLE)) + b"\x00",
        _fanotify(_record(10, _HANDLE + b"old\0"), _record(12, _HANDLE + b"new\0")) + b"\x00",
        _fanotify(_record(3, _HANDLE)) + _fanotify() + b"\x00",
        bytes(range(64)) + b"\x01",
    ),
    "directory_tree": (bytes(range(1, 120)), bytes(reversed(range(200)))),
    "pending_files": (bytes(range(1, 120)), bytes(reversed(range(200)))),
    "path": (
        b"d/e/f.csv\x00",
        b".closewrite/staging/1/2\x00",
        b"\xc3\xa4\xe2\x80\xae\xf0\x9f\x98\x80\xff\\\n\t/..\x00",
        b"n" * 200 + b"\x01",
    ),
    "ignore_list": (b"*.tmp\n**/.git/\nlost+found/\nd/.git/x", b".closewrite/volume"),
    "log_row": (
        _log_record(1, b"a line\n") + _log_record(2, b"another\n"),
        _log_record(3, b"[12 bytes left out]\n") + b"no record at all", b"raw\x00\xff\n"),
    "duration": (b"100ms", b"1.5h", b"2d3h4m5s", b"315576000000s", b"0"),
    "schedule": (
        b"50 12 * * 1-5\x00", b"*/15 0-23/2 1,15 JAN-mar sun\x01", b"0 0 29 2 *\x02",
        b"2 weeks\x01", b"2027-02-27 12:50\x00", b"@monthly\x03",
        b"5020374440374443-07-27 12:50\x00"),
    "yaml": (
        b"\x00coordinator: 10.0.0.1:7400\nvolumes:\n  - name: data\n    root: /srv/data\n"
        b"    backend: inotify\n    audit: 10m\n",
        b"\x01listen: [0.0.0.0:7400]\nstate: /var/lib/closewrite\n",
        b"\x02name: worker\nvolumes: &v\n  - {name: data, path: /mnt/data}\nlabels: *v\n",
        b"\x03pipelines:\n  - name: p\n    trigger:\n      when: [close_write]\n"
        b"      glob: '**/*.csv'\n    run:\n      command: [cp, '{in}', '{out}']\n",
    ),
}
