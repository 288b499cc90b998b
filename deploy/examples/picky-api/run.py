"""The example itself; `run` beside it calls it when all is built. See there."""

import argparse
import os
import sys
import time

_HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(_HERE, "..", "..", "..", "tests"))

# pylint: disable-next=wrong-import-position
from hosts import fleet, mail_server, pair, process, run_folder

_SERVICE_PORT = 8097
_READY_S_MAX = 30.0
_LOOK_S = 0.5


def say(text):
    """A headline."""
    print(f"==> {text}", flush=True)


def await_port(on, port, started, what):
    """Waits until `started` takes connections there."""
    process.until(lambda: on.accepts(port) or not started.alive(), _READY_S_MAX, what)
    if not started.alive():
        raise RuntimeError(f"{what} has ended: {started.read_log().decode()}")


def start_service(on):
    """The third party."""
    started = on.spawn(["/usr/bin/python3", os.path.join(_HERE, "service.py"),
                        "--port", str(_SERVICE_PORT)], os.path.join(on.folder, "service.log"))
    await_port(on, _SERVICE_PORT, started, "the service")


def pipelines():
    """pipelines.yaml, with the script where it lies here."""
    with open(os.path.join(_HERE, "pipelines.yaml"), encoding="utf-8") as file:
        return file.read().replace("/opt/closewrite/", _HERE + "/")


def start_portal(services, on, port):
    """Returns its address."""
    portal = services.make_portal(on, port=port)
    portal.start()
    await_port(on, port, portal.process, "the portal")
    return f"http://{portal.address}"


def show_mails(mail, folder):
    """Prints what comes, and keeps what is attached, until Ctrl-C."""
    shown = 0
    while True:
        mails = mail.mails()
        for each in mails[shown:]:
            say(f"Mail to {', '.join(each.recipients)}: {each['Subject']}")
            for part in each.iter_attachments():
                path = os.path.join(folder.make("mails", str(shown)),
                                    os.path.basename(part.get_filename()))
                with open(path, "wb") as file:
                    file.write(part.get_payload(decode=True))
                print(f"  attached: {path}", flush=True)
            shown += 1
        time.sleep(_LOOK_S)


def run(port):
    """The whole example."""
    folder = run_folder.RunFolder("picky-api")
    with pair.Pair(folder.path, namespaced=False) as hosts:
        say("A service that takes one caller at a time, and a mail server")
        start_service(hosts.b)
        mail = mail_server.MailServer(hosts.a)
        mail.start()
        say("Coordinator, watchers, two executors and a portal, on this machine")
        services = fleet.Fleet(hosts, settings=[mail.settings])
        for number in (1, 2):
            services.add_executor(hosts.b, f"worker-{number}", slots=2, labels=["r"])
        services.start()
        services.apply(pipelines())
        base = start_portal(services, hosts.a, port)
        cli = f"{fleet.program('cli')} --coordinator {services.address}"
        service = f"curl -s http://127.0.0.1:{_SERVICE_PORT}"
        say(f"Open {base}/pages/prices and give it {_HERE}/products.xlsx, twice, with any address "
            "of mail")
        print(f"""\
  for operators: {base}/overview
  the line before the service: {cli} lock list
  a program of your own in it: {cli} lock run picky-api -- {service}/price/pears
  what the service has seen: {service}/calls
  logs and configurations: {folder.path}
  Ctrl-C ends it, and removes all of it""", flush=True)
        show_mails(mail, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7403)
    run_folder.exit_on_signals()
    try:
        run(parser.parse_args().port)
    except KeyboardInterrupt:
        say("Ended")
    except (RuntimeError, TimeoutError) as problem:
        sys.exit(f"picky-api: FAILED: {problem}")
