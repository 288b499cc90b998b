"""Certificates of `closewrite certs`, as OpenSSL's own program judges them, and tokens."""

import hashlib
import json
import os
import re
import stat
import subprocess
import tempfile
import unittest

from hosts import fleet

_RUN_S_MAX = 60.0


def _mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def _read(path):
    with open(path, "rb") as stream:
        return stream.read()


class CertsTest(unittest.TestCase):
    """The real program in an empty folder; no service is needed."""

    needs_root = False

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="certs.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _run(self, argv):
        # Whatever the umask is, nobody else may read a key.
        return subprocess.run(argv, cwd=self.folder, check=False, timeout=_RUN_S_MAX, umask=0,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def _cli(self, *args):
        return self._run([fleet.program("cli"), *args])

    def _must(self, *args):
        done = self._cli(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def _refused(self, code, words, *args):
        done = self._cli(*args)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertIn(words, done.stderr)

    def _openssl(self, *args):
        done = self._run(["openssl", *args])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def _path(self, *parts):
        return os.path.join(self.folder, "closewrite-certs", *parts)

    def _issue(self):
        self._must("certs", "init")
        self._must("certs", "issue", "watcher", "vm-b", "--volume", "raw", "--volume",
                   "unenriched", "--dns", "vm-b.example.org", "--ip", "fd00::5")

    def _verify(self, folder, *purpose):
        return self._run(["openssl", "verify", *purpose, "-x509_strict", "-CAfile",
                          self._path(folder, "ca.crt"), self._path(folder, "tls.crt")])

    def test_openssl_reads_what_was_issued(self):
        self._issue()
        text = self._openssl("x509", "-noout", "-text", "-in", self._path("watcher-vm-b/tls.crt"))
        for words in ("URI:closewrite://watcher/vm-b?volume=raw&volume=unenriched, "
                      "DNS:vm-b.example.org, IP Address:FD00:0:0:0:0:0:0:5",
                      "X509v3 Basic Constraints: critical\n                CA:FALSE",
                      "X509v3 Key Usage: critical\n                Digital Signature\n",
                      "TLS Web Server Authentication, TLS Web Client Authentication",
                      "Issuer: CN = Closewrite CA", "Subject: OU = watcher, CN = vm-b",
                      "NIST CURVE: P-256", "ecdsa-with-SHA256"):
            self.assertIn(words, text)
        text = self._openssl("x509", "-noout", "-text", "-in", self._path("ca.crt"))
        for words in ("CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "NIST CURVE: P-256"):
            self.assertIn(words, text)
        print_of = self._openssl("x509", "-noout", "-fingerprint", "-sha256", "-in",
                                 self._path("watcher-vm-b/tls.crt")).strip().split("=")[1]
        shown = json.loads(self._must("certs", "show", self._path("watcher-vm-b"), "-o", "json"))
        self.assertEqual(shown["fingerprint"], print_of)

    def test_openssl_trusts_what_was_issued(self):
        self._issue()
        for purpose in ("sslserver", "sslclient"):
            done = self._verify("watcher-vm-b", "-purpose", purpose)
            self.assertEqual(done.returncode, 0, done.stderr)
        self._openssl("pkey", "-noout", "-check", "-in", self._path("watcher-vm-b/tls.key"))
        public = self._openssl("pkey", "-pubout", "-in", self._path("watcher-vm-b/tls.key"))
        self.assertEqual(public, self._openssl("x509", "-noout", "-pubkey", "-in",
                                               self._path("watcher-vm-b/tls.crt")))
        self.assertTrue(_read(self._path("watcher-vm-b/tls.key")).startswith(
            b"-----BEGIN PRIVATE KEY-----\n"))

    def test_openssl_trusts_no_other_authority(self):
        self._issue()
        self._must("certs", "init", "--in", self._path("other"))
        os.replace(self._path("other/ca.crt"), self._path("watcher-vm-b/ca.crt"))
        self.assertNotEqual(self._verify("watcher-vm-b").returncode, 0)
        done = self._cli("certs", "show", self._path("watcher-vm-b"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("can't be trusted", done.stdout)

    def test_modes(self):
        self._issue()
        for path, mode in (("", 0o700), ("ca.key", 0o600), ("ca.crt", 0o644),
                           ("watcher-vm-b", 0o700), ("watcher-vm-b/tls.key", 0o600),
                           ("watcher-vm-b/tls.crt", 0o644), ("watcher-vm-b/ca.crt", 0o644)):
            self.assertEqual(_mode(self._path(path)), mode, path)
        self.assertEqual(sorted(os.listdir(self._path("watcher-vm-b"))),
                         ["ca.crt", "tls.crt", "tls.key"])

    def test_renewal_keeps_the_key_and_replaces_the_file(self):
        self._issue()
        key = _read(self._path("watcher-vm-b/tls.key"))
        with open(self._path("watcher-vm-b/tls.crt"), "rb") as old:
            self._must("certs", "renew", self._path("watcher-vm-b"), "--days", "30")
            before = old.read()  # who reads it at that moment has it whole
        after = _read(self._path("watcher-vm-b/tls.crt"))
        self.assertTrue(before.endswith(b"-----END CERTIFICATE-----\n"))
        self.assertNotEqual(before, after)
        self.assertEqual(_read(self._path("watcher-vm-b/tls.key")), key)
        self.assertEqual(self._verify("watcher-vm-b").returncode, 0)
        self.assertEqual(json.loads(self._must("certs", "show", self._path("watcher-vm-b"), "-o",
                                               "json"))["grants"], ["raw", "unenriched"])
        # It lasts for 30 days, so it is due, and afterwards it is not.
        self.assertIn("watcher vm-b", self._must("certs", "renew", "--all"))
        self.assertEqual(self._must("certs", "renew", "--all"), "")

    def test_refusals(self):
        self._refused(1, "there is no authority in closewrite-certs", "certs", "issue", "admin",
                      "jane")
        self._issue()
        self._refused(1, "there is an authority", "certs", "init")
        self._refused(1, "closewrite certs renew", "certs", "issue", "watcher",
                      "vm-b", "--volume", "raw")
        self._refused(2, "needs --volume", "certs", "issue", "watcher", "vm-c")
        self._refused(2, "is no role", "certs", "issue", "boss", "jane")
        self._refused(2, "has no tokens", "token", "new", "watcher", "vm-b")
        os.chmod(self._path("ca.key"), 0o644)
        self._refused(1, "is open to others", "certs", "issue", "admin", "jane")

    def test_keys_that_openssl_made_are_read(self):
        """An authority of other tools: a P-384 key, and a certificate by `openssl req`."""
        os.mkdir(self._path(), 0o700)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384",
                      "-noenc", "-days", "100", "-subj", "/O=Plant/CN=Plant CA", "-addext",
                      "keyUsage=critical,keyCertSign", "-keyout", self._path("ca.key"), "-out",
                      self._path("ca.crt"))
        os.chmod(self._path("ca.key"), 0o600)
        self._must("certs", "issue", "coordinator", "vm-a")
        self.assertEqual(self._verify("coordinator-vm-a").returncode, 0)

    def test_tokens(self):
        done = self._cli("token", "new", "program", "r-scripts")
        self.assertRegex(done.stdout, r"\Acw_[A-Za-z0-9_-]{43}\n\Z")
        digest = hashlib.sha256(done.stdout.strip().encode()).hexdigest()
        self.assertEqual(done.stderr, f"r-scripts program sha256:{digest}\n")
        tokens = os.path.join(self.folder, "tokens")
        for name in ("jane", "joe"):
            secret = self._must("token", "new", "operator", name, "--add", tokens)
            self.assertNotIn(secret.strip().encode(), _read(tokens))
        self.assertEqual(_mode(tokens), 0o600)
        self.assertEqual(re.findall(r"^(\w+) operator sha256:[0-9a-f]{64}$",
                                    _read(tokens).decode(), re.MULTILINE), ["jane", "joe"])
        self._refused(1, "jane has a token", "token", "new", "viewer", "jane", "--add", tokens)
