"""A real SMTP server on a host, with STARTTLS and authentication.

Run as a program, it is that server: it needs Debian's Python, which has aiosmtpd.
"""

import email
import email.policy
import json
import os
import ssl
import sys

PORT = 2525
USERNAME = "closewrite"
PASSWORD = "correct horse"
_PYTHON = "/usr/bin/python3"
_READY_S_MAX = 30.0


class MailServer:
    """On host `on`. start() it first. Mail is taken only over TLS and from who has logged in."""

    def __init__(self, on):
        self._host = on
        self.folder = os.path.join(on.folder, "mail")
        os.makedirs(os.path.join(self.folder, "taken"))
        self.log = os.path.join(self.folder, "log")
        self.certificate = os.path.join(self.folder, "certificate.pem")
        self._key = os.path.join(self.folder, "key.pem")
        on.check(["/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                  "-days", "30", "-subj", "/CN=mail", "-addext", f"subjectAltName=IP:{on.address}",
                  "-keyout", self._key, "-out", self.certificate])
        self.process = None

    @property
    def settings(self):
        """The `mail:` of a coordinator's configuration."""
        return (f"mail: {{server: 'smtp://{self._host.address}:{PORT}', username: {USERNAME}, "
                f"password: {PASSWORD}, from: closewrite@example.org, ca: {self.certificate}}}")

    def start(self):
        """Starts it and waits until it answers."""
        from hosts import process  # pylint: disable=import-outside-toplevel
        self.process = self._host.spawn(
            [_PYTHON, os.path.realpath(__file__), self._host.address, self.folder,
             self.certificate, self._key], self.log)
        process.until(self._answers, _READY_S_MAX, f"the mail server; its log is {self.log}")

    def kill(self):
        """SIGKILL."""
        self.process.kill()

    def _answers(self):
        if not self.process.alive():
            raise RuntimeError("the mail server has ended: "
                               + self.process.read_log()[-2000:].decode(errors="replace"))
        return self._host.accepts(PORT)

    def mails(self):
        """All that it has taken, in order, as email.message.EmailMessage with the envelope's
        recipients as `recipients`."""
        taken = os.path.join(self.folder, "taken")
        mails = []
        for name in sorted(each for each in os.listdir(taken) if each.endswith(".eml")):
            with open(os.path.join(taken, name), "rb") as file:
                mail = email.message_from_binary_file(file, policy=email.policy.default)
            with open(os.path.join(taken, name[:-len("eml")] + "json"), encoding="utf-8") as file:
                envelope = json.load(file)
            mail.recipients = envelope["recipients"]
            mails.append(mail)
        return mails

    def subjects(self):
        """Of all that it has taken, in order."""
        return [mail["Subject"] for mail in self.mails()]


def text_of(mail):
    """What people read of a mail."""
    return mail.get_body(("plain",)).get_content()


def _serve(address, folder, certificate, key):
    # Debian's Python has it; the one that runs the tests need not.
    from aiosmtpd import controller, smtp  # pylint: disable=import-outside-toplevel

    class Handler:
        """Writes what comes into files."""

        count = len(os.listdir(os.path.join(folder, "taken")))

        async def handle_DATA(self, _server, session, envelope):
            """The envelope is written first, so that a mail has one."""
            Handler.count += 1
            path = os.path.join(folder, "taken", f"{Handler.count:06d}")
            with open(path + ".json", "w", encoding="utf-8") as file:
                json.dump({"sender": envelope.mail_from, "recipients": envelope.rcpt_tos,
                           "tls": session.ssl is not None}, file)
            with open(path + ".part", "wb") as file:
                file.write(envelope.content)
            os.rename(path + ".part", path + ".eml")
            return "250 taken"

    def authenticate(_server, _session, _envelope, _mechanism, data):
        right = (isinstance(data, smtp.LoginPassword) and data.login == USERNAME.encode()
                 and data.password == PASSWORD.encode())
        return smtp.AuthResult(success=right)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = controller.Controller(Handler(), hostname=address, port=PORT, tls_context=context,
                                   require_starttls=True, auth_required=True,
                                   auth_require_tls=True, authenticator=authenticate)
    server.start()
    server._thread.join()  # pylint: disable=protected-access


if __name__ == "__main__":
    _serve(*sys.argv[1:])
