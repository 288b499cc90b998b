"""KEDA's four calls while a queue fills and drains, by a client of another implementation."""

import json
import os

from e2e import case
from style import npm

_PROTO = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "proto", "externalscaler",
                                       "externalscaler.proto"))
_CALL_S_MAX = 60
_JOBS = 6
_PIPELINES = """
pipelines:
  - name: enrich
    on: {{volume: unenriched, match: ["**"]}}
    run: {{command: [sh, -c, 'until [ -e "$2" ]; do sleep 0.05; done; cp "$1" "$3"', sh,
                     "{{input}}", "{folder}/release-{{name}}", "{{output}}"], labels: [internet]}}
    publish: {{volume: enriched}}
"""


class ScalerTest(case.FleetCase):
    """Without certificates."""

    without_tls = "ScalerWithCertificatesTest is the same with them"
    needs_root = False
    executors = ()
    pipelines = _PIPELINES

    def setUp(self):
        super().setUp()
        self.address = self.fleet.coordinator.address
        self.object = {"scalerAddress": self.address, "labels": "internet", "jobsPerExecutor": "2"}
        self.env = {**os.environ, "NODE_PATH": npm.modules(), "NODE_NO_WARNINGS": "1"}

    def _args(self, call, metadata, role="viewer"):
        folder = self.fleet.certificates(role)
        return ["node", self.script("scaler.js"), self.address, _PROTO, call,
                json.dumps(metadata), *([folder] if folder else [])]

    def _call(self, call, metadata=None, **options):
        done = self.hosts.a.run(self._args(call, metadata or self.object, **options),
                                timeout=_CALL_S_MAX, env=self.env)
        return done.stdout.decode(), done.stderr.decode(errors="replace").strip()

    def _ask(self, call, metadata=None):
        told, error = self._call(call, metadata)
        self.assertEqual(error, "")
        return json.loads(told)

    def _jobs(self, metadata=None):
        value, = self._ask("GetMetrics", metadata)["metricValues"]
        self.assertEqual(value["metricName"], "closewrite-jobs")
        self.assertEqual(value["metricValueFloat"], value["metricValue"])
        return value["metricValue"]

    def _await_jobs(self, count):
        self.until(lambda: self._jobs() == count, f"{count} jobs are told")
        self.assertEqual(self._ask("IsActive")["result"], count > 0)

    def _release(self, numbers):
        for number in numbers:
            case.write(os.path.join(self.folder, f"release-{number}"), b"")

    def test_a_queue_fills_and_drains(self):
        """What is told is what could use the executors that are scaled."""
        log = os.path.join(self.hosts.a.folder, "stream")
        stream = self.hosts.a.spawn(self._args("StreamIsActive", self.object), log, env=self.env)

        def heard(*wanted):
            def all_of_them():
                self.assertTrue(stream.alive(), stream.read_log())
                told = [json.loads(line)["result"] for line in stream.read_log().splitlines()]
                return told == list(wanted)
            self.until(all_of_them, f"the stream has told {wanted}")
        heard(False)
        self.assertEqual(self._jobs(), 0)
        spec, = self._ask("GetMetricSpec")["metricSpecs"]
        self.assertEqual(spec, {"metricName": "closewrite-jobs", "targetSize": 2,
                                "targetSizeFloat": 2})
        for number in range(_JOBS):
            case.write(os.path.join(self.home("unenriched"), str(number)), b"x")
        heard(False, True)
        self._await_jobs(_JOBS)
        self.assertEqual(self._jobs({**self.object, "labels": "gpu"}), 0)
        self.assertEqual(self._jobs({**self.object, "pipeline": "enrich"}), _JOBS)
        # Those that run count, or their executors would be taken from under them.
        self.fleet.add_executor(self.hosts.b, "cw-b-1", slots=2, labels=("internet",)).start()
        self.until(lambda: sum(job.state == "running" for job in self.fleet.jobs()) == 2,
                   "two of them run")
        self._await_jobs(_JOBS)
        self._release(range(_JOBS - 1))
        self._await_jobs(1)
        heard(False, True)
        self._release([_JOBS - 1])
        self._await_jobs(0)
        heard(False, True, False)
        self.assertEqual(len(self.results()), _JOBS)

    def test_mistakes_are_told(self):
        """And KEDA leaves the replicas as they are."""
        for metadata, error in (
                ({"lables": "internet"}, 'INVALID_ARGUMENT: unknown key "lables" in the metadata; '
                                         'did you mean "labels"?'),
                ({"jobsPerExecutor": "many"}, "INVALID_ARGUMENT: jobsPerExecutor: must be a number "
                                              'above 0, at most 10000, not "many"'),
                ({"pipeline": "enrcih"}, "NOT_FOUND: there is no pipeline or task enrcih")):
            with self.subTest(metadata):
                self.assertEqual(self._call("GetMetrics", metadata), ("", error))


class ScalerWithCertificatesTest(ScalerTest):
    """KEDA has the certificate of a viewer."""

    without_tls = ""
    tls = True

    def test_only_who_may_look_is_told(self):
        """An uploader's certificate is none of a viewer."""
        self.assertEqual(self._call("IsActive", role="uploader")[1].partition(" may not")[0],
                         "PERMISSION_DENIED: uploader uploader")
