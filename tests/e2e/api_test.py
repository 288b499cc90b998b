"""Every service of every program can be found, described and asked for its health.

grpcurl is not in Debian or npm; two independent clients stand for it: `buf curl`, and a small
program over npm's grpc-js and grpc-js-reflection-client.
"""

import json
import os

from e2e import case
from style import npm

_CALL_S_MAX = 60

_SERVICES = {
    "coordinator": {"closewrite.v1.AttendService", "closewrite.v1.EventService",
                    "closewrite.v1.FleetService", "closewrite.v1.JobService",
                    "closewrite.v1.ObserveService", "closewrite.v1.PipelineService"},
    "watcher": {"closewrite.v1.WatchService"},
    "executor": {"closewrite.v1.ExecuteService"},
}
_EVERYWHERE = {"grpc.health.v1.Health"}


class ApiTest(case.FleetCase):
    """Reflection and health."""

    needs_root = False
    executors = (("cw-b-1", 1),)

    def _call(self, *args):
        done = self.hosts.a.run(list(args), timeout=_CALL_S_MAX,
                                env={**os.environ, "NODE_PATH": npm.modules()})
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def _buf(self, *args):
        return self._call(*self.buf_curl(*args))

    def _reflect(self, address):
        """The command that asks a server what it serves."""
        folder = self.fleet.certificates("admin")
        return ["node", self.script("reflect.js"), address, *([folder] if folder else [])]

    def _servers(self):
        return [(service.kind, service.address) for service in self.fleet.services()]

    def test_reflection_lists_and_describes_all(self):
        for kind, address in self._servers():
            with self.subTest(kind=kind, address=address):
                described = json.loads(self._call(*self._reflect(address)))
                wanted = _SERVICES[kind] | _EVERYWHERE
                self.assertLessEqual(wanted, set(described))
                for service in wanted:
                    self.assertTrue(described[service], f"{service} has no methods")

    def test_buf_curl_lists_all(self):
        for kind, address in self._servers():
            with self.subTest(kind=kind, address=address):
                listed = set(self._buf(address, "--list-services").split())
                self.assertLessEqual(_SERVICES[kind] | _EVERYWHERE, listed)

    def test_health_is_serving_by_service_name(self):
        for kind, address in self._servers():
            for service in ("", *sorted(_SERVICES[kind])):
                with self.subTest(address=address, service=service):
                    answer = self._buf(f"{address}/grpc.health.v1.Health/Check",
                                       "--data", json.dumps({"service": service}))
                    self.assertEqual(json.loads(answer), {"status": "SERVING"})

    def test_unary_call_by_reflection(self):
        answer = json.loads(self._buf(
            f"{self.fleet.address}/closewrite.v1.FleetService/ListWatchers", "--data", "{}"))
        self.assertEqual(len(answer["watchers"]), 2)

    def test_reflection_can_be_switched_off(self):
        service = self.fleet.coordinator
        service.stop()
        with open(service.config, "a", encoding="utf-8") as file:
            file.write("reflection: false\n")
        service.start()
        self.until(lambda: self.fleet.rows("watchers"), "the coordinator to be back")
        done = self.hosts.a.run(self._reflect(service.address), timeout=_CALL_S_MAX,
                                env={**os.environ, "NODE_PATH": npm.modules()})
        self.assertNotEqual(done.returncode, 0)

    def test_sigterm_ends_every_service_cleanly(self):
        for service in reversed(self.fleet.services()):
            with self.subTest(service=service.log):
                self.assertEqual(service.stop(), 0)
