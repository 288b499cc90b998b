#!/usr/bin/python3
"""A mail server for tests: aiosmtpd, which refuses what the addresses ask for.

  smtp_server.py FOLDER [--tls|--smtps] [--login NAME PASSWORD]

Makes a certificate for 127.0.0.1 in FOLDER/certificate.pem, says `port N` when it listens, and ends
when its standard input does. Mail number N lies in FOLDER/N/ before the server says that it has
taken it: `raw` as it came, and what Python's own parser makes of it, a file each.
"""

import asyncio
import email
import email.policy
import logging
import os
import ssl
import subprocess
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

# What is said to senders, to recipients, and at the end of mails for recipients of these names.
SENDERS = {"banned": "550 5.7.1 you may not send"}
RECIPIENTS = {
    "nobody": "550 5.1.1 no such user here",
    "busy": "451 4.3.0 come back later",
    "login": "530 5.7.0 authentication required",
    "long": "550-5.1.1 the first line\r\n550 5.1.1 the second line",
}
CONTENTS = {"spam": "554 5.7.1 that is spam", "full": "452 4.2.2 no room left"}


def local(address):
    """The part of an address before the @."""
    return address.partition("@")[0]


class Handler:
    """Writes mails into a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_MAIL(self, _server, _session, envelope, address, options):
        """MAIL FROM."""
        if local(address) in SENDERS:
            return SENDERS[local(address)]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        """RCPT TO."""
        if local(address) in RECIPIENTS:
            return RECIPIENTS[local(address)]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        """The end of a mail."""
        for address in envelope.rcpt_tos:
            if local(address) == "cut":
                server.transport.abort()
                return "421 4.4.2 nobody hears this"
            if local(address) in CONTENTS:
                return CONTENTS[local(address)]
        login = session.auth_data.login.decode() if session.authenticated else ""
        encrypted = server.transport.get_extra_info("sslcontext") is not None
        self.keep(envelope, {"login": login, "encrypted": "yes" if encrypted else "no"})
        return "250 2.0.0 taken"

    def keep(self, envelope, files):
        """Makes the files of a mail."""
        self.count += 1
        mail = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        files["raw"] = envelope.content
        files["sender"] = envelope.mail_from
        files["recipients"] = "\n".join(envelope.rcpt_tos)
        defects = list(mail.defects)
        for name, value in mail.items():
            files[f"header {name}"] = str(value)
            defects.extend(value.defects)
        parts = 0
        for part in mail.walk():
            defects.extend(part.defects)
            if part.is_multipart():
                continue
            files[f"part {parts}"] = part.get_payload(decode=True)
            files[f"part {parts} type"] = part.get_content_type()
            files[f"part {parts} charset"] = part.get_content_charset("")
            files[f"part {parts} disposition"] = part.get_content_disposition() or ""
            files[f"part {parts} name"] = part.get_filename("")
            parts += 1
        files["parts"] = str(parts)
        files["defects"] = "\n".join(repr(defect) for defect in defects)
        folder = os.path.join(self.folder, str(self.count))
        os.mkdir(folder)
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)


def make_certificate(folder):
    """A context with a certificate that signs itself."""
    key = os.path.join(folder, "key.pem")
    certificate = os.path.join(folder, "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=mail server of a test", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, stdin=subprocess.DEVNULL, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def serve(folder, options):
    """Serves until the standard input ends."""
    # Clients that don't trust it are part of the tests.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    context = make_certificate(folder)
    smtps = "--smtps" in options
    settings = {"tls_context": context} if "--tls" in options else {}
    if "--login" in options:
        place = options.index("--login")
        right = tuple(word.encode() for word in options[place + 1:place + 3])
        settings.update(
            auth_required=True, auth_require_tls=not smtps,
            authenticator=lambda _server, _session, _envelope, _mechanism, data: AuthResult(
                success=(data.login, data.password) == right, handled=False, auth_data=data))
    loop = asyncio.get_running_loop()
    handler = Handler(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, hostname="mail.test", **settings), "127.0.0.1", 0,
        ssl=context if smtps else None)
    ended = loop.create_future()
    loop.add_reader(sys.stdin, lambda: ended.done() or ended.set_result(None))
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await ended


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
