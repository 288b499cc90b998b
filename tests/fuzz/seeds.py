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


def _varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def _message(*fields):
    """A proto message of (number, value): an int, bytes, or another message."""
    return b"".join(
        _varint(number << 3) + _varint(value) if isinstance(value, int) else
        _varint(number << 3 | 2) + _varint(len(value)) + value for number, value in fields)


def _choices(*numbers):
    """What FuzzedDataProvider takes one after the other, a byte each."""
    return bytes(reversed(numbers))


# As beneath_fuzz.cc chooses: directories, files, pipes and links; then what is asked for.
_TREE = (5, 0, 0, 1, 1, 1, 0, 2, 2, 0, 3, 3, 3, 1, 4, 2)  # a/, a/b, c, d -> outside, a/c -> outside
_ASKED = (3, 0, 0, 1, 2, 0, 1, 1, 3, 1, 2, 3, 5, 1, 0, 1, 1, 2, 0, 4, 1, 3, 0, 2, 0)
_ASKED_OF_NOTHING = (3, 0, 0, 1, 3, 6, 4, 5, 1, 4, 1, 1, 0, 2, 0, 1, 0, 0, 7, 1, 0)

_LEASE = _message((1, 7), (2, 9))
_FILE = _message((1, b"in"), (2, b"d/x.csv"), (3, 12), (4, 100), (5, 1795345200123456789))
_TIME = _message((1, 1795345200), (2, 123456789))
_EVENT = _message((1, 5), (2, 1), (3, 1), (4, 1), (5, _FILE), (6, _TIME))
_VOLUME = _message((1, b"in"), (2, b"/srv/in"), (3, b"0123456789abcdef"), (4, 1), (5, b"fine"),
                   (6, 1), (7, 3), (8, 1), (9, 2), (10, 1), (11, 1), (12, 1), (13, b"ext4"))
_EXECUTOR = _message((1, b"vm-c"), (2, b"vm-c"), (4, b"internet"), (5, 4),
                     (6, _message((1, b"in"), (2, b"/mnt/in"))), (7, b"out"), (8, b"1.0"),
                     (9, b"vm-c:7402"))
_RESULT = _message((1, _LEASE), (2, 2), (3, 3), (5, "Grüße".encode()),
                   (6, _message((1, b"d/x.csv"), (2, 3), (3, bytes(32)))), (7, _TIME), (8, 4096))
_HEALTH = _message((1, _TIME), (2, _message((1, b"in"), (2, "weg für immer".encode()))))

_PIPELINES = b"""pipelines:
  - name: enrich
    on: {volume: unenriched, match: ["**/*.csv"], when: close_write, settle: 2s}
    run: {command: [Rscript, /opt/e.R, "{input}"], labels: [internet], timeout: 1h, env: {A: b}}
    publish: {volume: enriched}
    retry: {attempts: 5, backoff: 1s, backoff_max: 5m, on_lost: fail}
    locks: [picky-api]
    rate: {name: api, limit: 100, per: 1m}
    alerts: {no_success_within: 24h, failed: 3 in 1h, email: [ops@example.org]}
    portal: {title: Upload, accept: [.xlsx], max_size: 10MiB, when_busy: refuse, lock: picky-api}
"""
_OTHERS = b"""pipelines:
  - {name: m, on: {volume: a, match: ["*"], marker: "{name}.done"}, run: {command: [x, "{ x }"]}}
  - {name: q, on: {volume: a, match: ["*"], quiet: 2s, evidence: quiet}, run: {command: [x]}}
  - {name: e, on: {volume: a, match: ["*"], events: [CREATE, DELETE]}, run: {command: [x],
     limits: {nofile: 4096, memory: 2GiB, cpu: 1.5}, nice: 10, wd: /srv/r, run_as: enrich}}
"""
_TASKS = b"""tasks:
  - {name: feed, run: {command: [x], env: {SOURCE: a}}, forever: true, restart: on_failure}
  - name: noon
    run: {command: [/opt/noon.py, "{job}"]}
    cron: 50 12 * * 1-5
    tz: America/New_York
    jitter: 1m
    catch_up: all
    catch_up_max: 3
    overlap: queue
  - {name: often, run: {command: [x]}, period: 2 min, start: 2027-02-27 12:50, overlap: replace}
"""
_USER = b"ann operator $argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA ann@example.org"
_FORM = (b"--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
         b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n"
         b"Content-Type: text/csv\r\n\r\na,b\r\n\r\n--b--\r\n")


def _post(kind, body):
    return (b"POST /upload/p HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind
            + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)


def _text(value):
    return struct.pack("<q", len(value)) + value


_NUMBER = struct.Struct("<q")
_HELLO_ROW = (b"".join(map(_text, (b"vm-c", b"vm-c", b"", b"1.0", b"vm-c:7402")))
              + _NUMBER.pack(4) + _NUMBER.pack(1) + _text(b"internet")
              + _NUMBER.pack(1) + _text(b"in") + _text(b"/mnt/in")
              + _text(b"out") + _text(b"/in") + _text(b"/gone") + _text(b"//clock") + _text(b"/-5"))

SEEDS = {
    "access": (
        b"x\\y\\10.1.0.0/16\\10.1.2.3\\portal.example.org:443",
        b"\\ann\\ann@example.org\\staff, ops\\2001:db8::/33\\::1\\[::1]:7403"),
    "addresses": (b"vm-a:7400", b"[::1]:7400", b"64MiB", b"1.5GB", b"4096B", b"10TiB",
                  b"postgresql://u:p@h/d?a=b&password=x&c=d", b"u\\host\\pa@ss:w/rd"),
    "attend": (
        _message((1, 1), (2, _EXECUTOR), (3, 1), (8, _HEALTH)),
        _message((1, 2), (4, _message((1, _LEASE), (2, 77), (3, _message((1, 4), (2, 9)))))),
        _message((1, 3), (5, _RESULT), (6, _message((1, _LEASE), (2, 0), (3, b"raw"))), (7, 1))),
    "beneath": (_choices(*_TREE, *_ASKED), _choices(0, *_ASKED_OF_NOTHING), bytes(range(1, 120)),
                bytes(reversed(range(200)))),
    "config": (b"info\\0.0.0.0:7400\\2s\\true\\12\\\x03\x02\x01\x04\x00\x02",
               b"a,b\\-1\\1.5h\\nobody\\\x05\x01\x02\x03\x06\x01"),
    "definitions": (b"\x00" + _PIPELINES, b"\x00" + _OTHERS, b"\x01" + _TASKS),
    "form_fields": (b"name=ann&password=a+b%21&next=%2Fup%3Fa%3Db", b"a=1&a=2&&b&=c&d=%zz"),
    "http": (
        b"GET /?a=b&c=%2F HTTP/1.1\r\nHost: localhost:7403\r\n"
        b"Cookie: closewrite_browser=x; closewrite_session=ann~1~2\r\n\r\n",
        _post(b"application/x-www-form-urlencoded", b"name=ann&password=x"),
        _post(b"multipart/form-data; boundary=b", _FORM),
        b"HEAD /file HTTP/1.1\r\nRange: bytes=0-3\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        b"PATCH /upload/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "journal": (bytes(range(60)), bytes(reversed(range(120)))),
    "line_protocol": (b"job attempt\\host\\vm-c, a=b\\pipe\\line\n\\\\x\\n" + bytes(range(40)),
                      bytes(range(90))),
    "log_record": (_log_record(1, b"a line\n") + _log_record(3, b"[12 bytes left out]\n"),
                   b"a\\b\\" + bytes(range(60))),
    "mail": (
        b"X-Priority\\a subject that is long enough to be folded at one of its many spaces, twice\\"
        b"EHLO x\\250-ok\\250 fine\\RCPT TO:<x@y>\\550 5.1.1 no such user\\",
        "Subject\\Grüße aus Zürich: 漢字 😀 und noch mehr davon, damit es nicht passt\\".encode(),
        b"ann@example.org\\a file.csv\\AUTH LOGIN\\535 no\\QUIT\\"),
    "observe": (
        _message((1, b"vm-b"), (2, bytes(16)), (5, 1), (6, _VOLUME), (7, _EVENT)),
        _message((6, _VOLUME), (8, _message((1, _LEASE), (2, b"no"))), (9, _message((1, b"in")))),
        _message((7, _EVENT), (7, _message((1, 6), (2, 4), (4, 2), (5, _FILE))))),
    "page_token": (b"jobs\\events\\123\\\x05\x00\x00\x00", b"a\\b\\c\\AAAAAAAAAAAAMTIz"),
    "placeholders": (
        b"/mnt/in/a.tar.gz\\/s/a.tar.gz\\d/a.tar.gz\\cp\\{input}\\{{output}}{stem}{ext}\\"
        b"{ x }{path}\\A\\b\\C\\d" + bytes(12),
        b"i\\o\\.profile\\{name}{job}-{attempt}.{token}\\CLOSEWRITE_JOB\\7" + bytes(12)),
    "progress": (b"::closewrite progress 40 100 rows\nx\r::closewrite progress 40/100 rows\r\x05",
                 b"::closewrite progress 7\n" + b"x" * 300 + b"\n::closewrite progress 8 9\n\x90"),
    "secrets": (b"# for the API\nTOKEN=a=b 'c'\n\nUSER=x\n", b"CLOSEWRITE_JOB=1\n", b"A B=1"),
    "store_rows": (
        struct.pack("<I", 7) + b"d/x.csv" + struct.pack("<QI", 100, 32) + bytes(32),
        _HELLO_ROW,
        b"".join(map(_text, (b"in", b"/srv", b"id", b"fine", b"ext4")))
        + struct.pack("<13q", 1, 0, 3, 0, 2, 1, 0, 0, 5, 1000, 0, -1 << 63, 0)),
    "users": (_USER + b"\n# nobody\nbob uploader $argon2id$x\n", b"ann admin x\n", _USER),
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
        b"\x03" + _PIPELINES, b"\x05" + _TASKS,
        b"\x04listen: 127.0.0.1:7403\ncoordinator: vm-a:7400\nproxy: {from: [10.0.0.1]}\n",
        b"\x00coordinator: 10.0.0.1:7400\nvolumes:\n  - name: data\n    root: /srv/data\n"
        b"    backend: inotify\n    audit: 10m\n",
        b"\x01listen: [0.0.0.0:7400]\nstate: /var/lib/closewrite\n",
        b"\x02name: worker\nvolumes: &v\n  - {name: data, path: /mnt/data}\nlabels: *v\n",
        b"\x03pipelines:\n  - name: p\n    trigger:\n      when: [close_write]\n"
        b"      glob: '**/*.csv'\n    run:\n      command: [cp, '{in}', '{out}']\n",
    ),
}
