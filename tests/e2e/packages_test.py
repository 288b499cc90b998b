"""Packages on machines with systemd: what docs/vms.md says is typed there, and holds."""

import json
import os
import shutil
import subprocess
import threading
import unittest

from e2e import case
from hosts import job, pair, process, run_folder
from machines import machine, packages, page, root

_ROOT = os.path.realpath(os.path.join(case.SCRIPTS, "..", ".."))
_PAGE = os.path.join(_ROOT, "docs", "vms.md")
_UNITS = os.path.join(_ROOT, "deploy", "systemd")
_LATER = "99.0"
_LOG_LINES = 25
_WAIT_S_MAX = 90.0
_SERVICES = {"vm-a": ("coordinator", "watcher"), "vm-b": ("watcher", "executor")}
# Of 10, by systemd-analyze; the executor's is what commands need.
_EXPOSURE_MAX = 3.0
# How long the command that lives through an upgrade goes on after it.
_LONG_S = float(os.environ.get("CLOSEWRITE_TEST_LONG_JOB_S", "3"))

_LONG = """\
#!/bin/sh
echo "begin $$" >>/srv/runs
while [ ! -e /srv/go-on ]; do sleep 0.1; done
case $1 in *upgraded*) sleep {seconds} ;; esac
echo "end $$" >>/srv/runs
cat "$1" >"$2"
"""
_LONG_PIPELINE = """\
pipelines:
  - name: long
    on: {volume: unenriched, match: ["*.long"]}
    run: {command: [/opt/scripts/long, "{input}", "{output}"]}
    publish: {volume: enriched}
"""
# All files of a machine but those that change by themselves, and what the page had made by hand.
_FILES = ("find / -xdev ( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp "
          "-o -path /var/tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg "
          "-o -path /var/lib/apt -o -path /root -o -path /srv -o -path /mnt -o -path /opt ) "
          "-prune -o -print").replace("( ", r"\( ").replace(" )", r" \)")
_MADE_BY_HAND = {
    "/etc/closewrite", "/etc/closewrite/mount_key", "/etc/closewrite/mount_key.pub",
    "/etc/ssh/closewrite_keys", "/etc/ssh/sshd_config.d/closewrite.conf",
}


class UnitsTest(unittest.TestCase):
    """The units by themselves, and the bytes of packages."""

    needs_root = False

    def test_they_are_confined(self):
        for service in ("coordinator", "watcher", "portal"):
            with self.subTest(service=service):
                done = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--no-pager",
                     f"--threshold={int(10 * _EXPOSURE_MAX)}",
                     os.path.join(_UNITS, f"closewrite-{service}.service")], check=False,
                    capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout[-200:] + done.stderr)

    def test_the_same_programs_make_the_same_bytes(self):
        folder = run_folder.RunFolder("again")
        self.addCleanup(folder.close)
        environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
        again = packages.build_into(folder.make("debs"), None, env=environment, umask=0o077)
        made = packages.files(packages.build(None))
        self.assertEqual(len(made), 5)
        for path in made:
            self.assertEqual(case.read(path), case.read(os.path.join(again,
                                                                     os.path.basename(path))), path)


class PackagesTest(unittest.TestCase):
    """Two machines, vm-a and vm-b, fresh for each test."""

    needs_root = True

    def setUp(self):
        self.logs = ""
        self.machines = {}
        folder = run_folder.RunFolder("machines")
        self.addCleanup(folder.close)
        debs = packages.build(None)
        tree = root.make(packages.needed(debs))
        self.hosts = pair.Pair(folder.path, namespaced=True, sshfs=False)
        self.addCleanup(self._close)
        for name, host in (("vm-a", self.hosts.a), ("vm-b", self.hosts.b)):
            self.machines[name] = machine.Machine(name, host, tree)
        self.a, self.b = self.machines["vm-a"], self.machines["vm-b"]
        names = "".join(f"{each.address} {name}\n" for name, each in self.machines.items())
        for each in self.machines.values():
            with open(os.path.join(each.tree, "etc", "hosts"), "a", encoding="ascii") as file:
                file.write(names)
        self._bring(debs, "")
        self._bring(debs, "old")

    def _close(self):
        for name, each in self.machines.items():
            for service in _SERVICES[name]:
                unit = f"closewrite-{service}"
                self.logs += f"--- {name}: {unit}\n{each.journal(unit, _LOG_LINES)}\n"
            each.close()
        self.hosts.close()

    def _bring(self, folder, to):
        """Copies packages into a folder of root's home on both machines."""
        for each in self.machines.values():
            target = os.path.join(each.tree, "root", to)
            os.makedirs(target, exist_ok=True)
            for path in packages.files(folder):
                shutil.copy(path, target)

    def _type(self, section, only=""):
        """Types what the page says; returns what the last command has printed."""
        said = ""
        for name, command in page.commands(_PAGE, section):
            for other, each in self.machines.items():
                line = f"the line in mount_key.pub of {other}"
                if line in command:
                    command = command.replace(line, each.says("cat /etc/closewrite/*.pub"))
            if only in command:
                said = self.machines[name].check(f"cd /root\n{command}")
        return said

    def _configure(self):
        """What the page does with packages that are installed."""
        self._type("sshfs")
        self._type("Tell the services")
        self.assertEqual(self._type("A first job"), "HELLO FROM VM-A\n")
        # A service that starts anew must be there before leases end, however busy this machine is.
        self.a.check("echo 'session_ttl: 30s' >>/etc/closewrite/coordinator.yaml")
        self.a.check("systemctl restart closewrite-coordinator")

    def _row(self, name):
        """The one job of a file; None as long as there is none."""
        lines = self.a.says("closewrite jobs -o json").splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        found = [row for row in rows if row["input"] and job.path_of(row["input"]) == name.encode()]
        self.assertLessEqual(len(found), 1, found)
        return found[0] if found else None

    def _succeeds(self, name, text):
        """Writes a file on vm-a's mount, and awaits its result on vm-a's disk."""
        process.until(lambda: self.a.run(f"echo {text} >/mnt/unenriched/{name}").returncode == 0,
                      _WAIT_S_MAX, f"the mount on vm-a, for {name}")
        self._ends(name, text.upper())

    def _ends(self, name, text, attempts=None):
        row = process.until(lambda: (found := self._row(name)) and found["state"] == "succeeded"
                            and found, _WAIT_S_MAX + _LONG_S, f"the job of {name}")
        self.assertEqual(self.a.check(f"cat /srv/enriched/{name}"), text + "\n")
        if attempts is not None:
            self.assertEqual(row["attempts"], attempts, row)

    def _units(self):
        return [(each, f"closewrite-{service}") for name, each in self.machines.items()
                for service in _SERVICES[name]]

    def _assert_well(self):
        for each in self.machines.values():
            self.assertEqual(each.says("systemctl is-system-running"), "running",
                             each.says("systemctl --failed --no-legend"))

    def test_five_minutes_then_kills_and_reboots(self):
        self._type("Two VMs in five minutes")
        self._assert_well()
        for each, unit in self._units():
            self.assertEqual(each.says(f"systemctl is-active {unit}"), "inactive")
            self.assertEqual(each.says(f"systemctl is-enabled {unit}"), "enabled")
            verified = each.run(f"systemd-analyze verify --man=no {unit}.service")
            self.assertEqual((verified.returncode, verified.stderr), (0, b""))
        self._configure()
        self._long_pipeline()
        command = self._begin("patient.long")
        for number, (each, unit) in enumerate(self._units()):
            before = each.main_pid(unit)
            each.check(f"kill -KILL {before}")
            process.until(lambda each=each, unit=unit, before=before:
                          each.main_pid(unit) not in (0, before), _WAIT_S_MAX, f"another {unit}")
            self._succeeds(f"killed-{number}.csv", f"after {unit}")
        # It is the same command, though its executor was killed and all others too.
        self.b.check(f"kill -0 {command}")
        for each in self.machines.values():
            each.reboot()
            self._succeeds(f"reboot-of-{each.name}.csv", f"after {each.name}")
        self.b.check("touch /srv/go-on")
        self._ends("patient.long", "patient.long")
        self._assert_well()

    def _begin(self, name):
        """Has the long command started; returns its process id on vm-b."""
        count = len(self.b.says("cat /srv/runs").splitlines())
        self.a.check(f"echo {name} >/mnt/unenriched/{name}")
        lines = process.until(
            lambda: (said := self.b.says("cat /srv/runs").splitlines())[count:] and said,
            _WAIT_S_MAX, f"the start of {name}")
        return lines[count].split()[1]

    def _long_pipeline(self):
        with open(os.path.join(self.b.tree, "opt/scripts/long"), "w", encoding="ascii") as file:
            file.write(_LONG.format(seconds=_LONG_S))
            os.fchmod(file.fileno(), 0o755)
        self.b.check("install -o closewrite /dev/null /srv/runs")
        self.a.check(f"closewrite pipeline apply -f - <<'END'\n{_LONG_PIPELINE}END")

    def _assert_version(self, wanted):
        for each, unit in self._units():
            self.assertEqual(each.says(f"dpkg-query -W -f '${{Version}}' {unit}"), wanted)
            self.assertEqual(each.says(f"systemctl is-active {unit}"), "active")

    def _files(self):
        return {each.name: set(each.check(_FILES).splitlines()) for each in self.machines.values()}

    def test_upgrade_downgrade_remove_purge(self):
        fresh = self._files()
        self._type("Two VMs in five minutes")
        self._configure()
        own = self.a.says("dpkg-query -W -f '${Version}' closewrite-coordinator")
        self._long_pipeline()
        self._bring(packages.build(_LATER), "new")
        command = self._begin("upgraded.long")
        before = [each.main_pid(unit) for each, unit in self._units()]
        self._type("Upgrading")
        self._assert_version(_LATER)
        after = [each.main_pid(unit) for each, unit in self._units()]
        self.assertFalse(set(zip(before, self._units())) & set(zip(after, self._units())))
        self.b.check(f"kill -0 {command} && touch /srv/go-on")
        self._ends("upgraded.long", "upgraded.long", attempts=1)
        self.assertEqual(self.b.says("cat /srv/runs").splitlines(),
                         [f"begin {command}", f"end {command}"])
        self._succeeds("upgraded.csv", "after the upgrade")
        self._type("Downgrading")
        self._assert_version(own)
        self._succeeds("downgraded.csv", "after the downgrade")
        self._drained()
        self._removed_and_installed_again()
        self._type("Removing", only="remove")
        for each, unit in self._units():
            self.assertNotEqual(each.says(f"systemctl is-active {unit}"), "active")
        self.assertIn("store.db", self.a.says("ls /var/lib/closewrite/coordinator"))
        self._type("Removing", only="purge")
        self._assert_well()
        for name, left in self._files().items():
            self.assertEqual(left - fresh[name] - _MADE_BY_HAND, set(), name)

    def _drained(self):
        """A drain waits for what runs, and the executor stays away until it is started."""
        unit = "closewrite-executor"
        self.b.check("rm /srv/go-on")
        command = self._begin("drained.long")
        draining = threading.Thread(target=self._type, args=("Emptying a host", "drain"))
        draining.start()
        process.until(lambda: "draining" in self.a.says("closewrite executors"), _WAIT_S_MAX,
                      "the drain")
        self.b.check(f"kill -0 {command} && touch /srv/go-on")
        self._ends("drained.long", "drained.long", attempts=1)
        draining.join()
        process.until(lambda: self.b.says(f"systemctl is-active {unit}") == "inactive",
                      _WAIT_S_MAX, "the executor's end, which systemd doesn't start again")
        self.b.check(f"cd /root && apt-get install -y --reinstall ./{unit}_*.deb")
        self.assertEqual(self.b.says(f"systemctl is-active {unit}"), "inactive")
        self._type("Emptying a host", only="start")
        self._succeeds("started.csv", "after the drain")

    def _removed_and_installed_again(self):
        """A command ends with its executor's package, and its job goes on when that is back."""
        self.b.check("rm /srv/go-on")
        command = self._begin("removed.long")
        self.b.check("apt-get remove -y closewrite-executor")
        self.assertNotEqual(self.b.run(f"kill -0 {command}").returncode, 0)
        self.b.check("touch /srv/go-on")
        self.b.check("cd /root && apt-get install -y ./closewrite-executor_*.deb")
        self._ends("removed.long", "removed.long")


if __name__ == "__main__":
    unittest.main()
