"""Points in a real InfluxDB: what R's users have charts for, field by field."""

import os
import re
import time

from e2e import case
from hosts import fleet, influx

_EXAMPLE = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "deploy", "examples",
                                         "incremental-load"))
_R = os.path.realpath(os.path.join(case.SCRIPTS, "..", "..", "deploy", "r", "closewrite.R"))
_DATABASE = "meta data"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_OUTAGE_S = 60.0
_JOBS = 1000
_PIPELINES = """
pipelines:
  - name: count
    on: {{volume: unenriched, match: ["many/**"]}}
    run: {{command: [/bin/true]}}
  - name: fail
    on: {{volume: unenriched, match: ["fail/**"]}}
    run: {{command: [/bin/false]}}
    retry: {{attempts: 2, backoff: 100ms}}
"""


class InfluxCase(case.HostsCase):
    """A fleet whose coordinator writes to an InfluxDB."""

    needs_root = True
    metrics = True
    tags = ""
    body_bytes_max = 25_000_000

    def setUp(self):
        # The address of cw-a in its network.
        self.coordinator_settings = (
            f'influx: {{url: "http://10.77.0.1:8086", database: "{_DATABASE}"{self.tags}}}',)
        super().setUp()
        self.influx = influx.Influx(self.hosts.a, self.body_bytes_max)
        self.influx.start()
        # Where the command line is called as people call it.
        programs = os.path.join(self.folder, "programs")
        os.mkdir(programs)
        os.symlink(fleet.program("cli"), os.path.join(programs, "closewrite"))
        self.path = f"{programs}:/usr/bin:/bin"
        self.fleet.add_executor(self.hosts.b, "cw-b-1", slots=4, labels=["r"],
                                env={"PATH": self.path, **self.fleet.environment("program")})

    def begin(self):
        """Makes the database, and starts the fleet."""
        self.influx.query(f'CREATE DATABASE "{_DATABASE}"')
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format())

    def rows(self, statement):
        """Of a statement about the database."""
        return self.influx.query(statement, _DATABASE)

    def points(self, measurement, count):
        """All points of a measurement, once there are `count`."""
        def all_there():
            rows = self.rows(f'SELECT * FROM "{measurement}"')
            return rows if len(rows) >= count else None
        return self.until(all_there, f"{count} points of {measurement}")

    def types(self, measurement):
        """{field: type} of a measurement."""
        return {row["fieldKey"]: row["fieldType"]
                for row in self.rows(f'SHOW FIELD KEYS FROM "{measurement}"')}

    def tag_names(self, measurement):
        """Sorted."""
        return sorted(row["tagKey"] for row in self.rows(f'SHOW TAG KEYS FROM "{measurement}"'))


class InfluxTest(InfluxCase):
    """The convention, to the letter."""

    def _apply_example(self):
        for name in ("tasks.yaml", "load.R"):
            content = case.read(os.path.join(_EXAMPLE, name)).decode()
            self.assertRegex(content, "/opt/closewrite/|/usr/local/share/closewrite/")
            content = content.replace("/usr/local/share/closewrite/closewrite.R", _R)
            case.write(os.path.join(self.folder, name),
                       content.replace("/opt/closewrite/", self.folder + "/").encode())
        self.fleet.must("task", "apply", "-f", os.path.join(self.folder, "tasks.yaml"))

    def test_an_incremental_load_in_r(self):
        self.begin()
        self._apply_example()
        sales = os.path.join(self.folder, "sales.csv")
        case.write(sales, b"id,amount\n1,10\n5,20\n5000000000,30\n")
        self.fleet.must("task", "run", "sales-load", "--wait")
        case.write(sales, b"id,amount\n1,10\n5,20\n5000000000,30\n5000000001,40\n")
        self.fleet.must("task", "run", "sales-load", "--wait")
        self.assertEqual(case.read(os.path.join(self.folder, "loaded.csv")),
                         b"1,10\n5,20\n5000000000,30\n5000000001,40\n")

        executions = self.points("execution", 4)
        self.assertEqual([(row["job"], row["state"], row["value"]) for row in executions],
                         [("sales-load", state, 1) for state in ("start", "end") * 2])
        self.assertEqual(self.types("execution"), {"value": "float"})
        self.assertEqual(self.tag_names("execution"), ["id", "job", "state"])
        first, second = executions[0]["id"], executions[2]["id"]
        self.assertEqual([row["id"] for row in executions], [first, first, second, second])
        self.assertNotEqual(first, second)
        for each in (first, second):
            self.assertRegex(each, f"^{_UUID}$")

        tasks = self.points("task", 2)
        self.assertEqual([(row["id"], row["job"], row["type"], row["datasource"], row["records"],
                           row["increment"]) for row in tasks],
                         [(first, "sales-load", "load", "sales", 3, 5_000_000_000),
                          (second, "sales-load", "load", "sales", 1, 5_000_000_001)])
        self.assertEqual(self.types("task"), {"records": "integer", "increment": "integer"})
        self.assertEqual(self.tag_names("task"), ["datasource", "id", "job", "type"])
        now_ms = time.time() * 1000
        for row in executions + tasks:
            self.assertLess(abs(row["time"] - now_ms), 120_000)  # milliseconds

        # What the dashboards of R's users ask.
        ended = self.rows("SELECT sum(value) FROM execution WHERE state = 'end' AND "
                          "job = 'sales-load'")
        self.assertEqual(ended[0]["sum"], 2)

    def test_rs_other_functions(self):
        self.begin()
        script = os.path.join(self.folder, "all.R")
        case.write(script, f"""
source("{_R}")
stopifnot(!is_set_job())
id <- start_job("fit, \\"quoted\\" = x")
stopifnot(is_set_job(), nchar(id) == 36)
stopifnot(inherits(try(start_job("again"), silent = TRUE), "try-error"))
stopifnot(read_increment("sales") == 0)
log_load("sales", 10L, 7)
stopifnot(read_increment("sales") == 7)
stopifnot(inherits(try(log_load("sales", 1, 6), silent = TRUE), "try-error"))
log_model_performance("sessions", "conversion rate", TRUE, "glm", "mape", "all", 500, 0.125)
loads <- read_loads("fit, \\"quoted\\" = x", "sales")
stopifnot(nrow(loads) == 1, loads$increment == 7, loads$records == 10, loads$id == id)
error_job()
executions <- read_job_executions("fit, \\"quoted\\" = x")
stopifnot(nrow(executions) == 1, executions$error == 1, executions$end == 0, executions$id == id)
stopifnot(nrow(read_job_executions(days = 1)) == 1)
tools <- tryCatch(end_job(), warning = conditionMessage)
stopifnot(tools == "Job was not started")
""".encode())
        done = self.hosts.a.run(["Rscript", script], env={
            **os.environ, "PATH": self.path, "CLOSEWRITE_COORDINATOR": self.fleet.address,
            **self.fleet.environment("program")})
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        [model] = self.points("model", 1)
        job = 'fit, "quoted" = x'
        self.assertEqual({name: model[name] for name in model if name not in ("time", "id")},
                         {"type": "performance", "job": job, "dataset": "sessions",
                          "target": "conversion rate", "test": "TRUE", "algorithm": "glm",
                          "metric": "mape", "group": "all", "records": 500, "value": 0.125})
        self.assertEqual(self.types("model"), {"records": "integer", "value": "float"})
        executions = self.points("execution", 2)
        self.assertEqual([(row["id"], row["job"], row["state"]) for row in executions],
                         [(model["id"], job, "start"), (model["id"], job, "error")])

    def test_marks_that_were_there_before(self):
        self.begin()
        self.influx.write(_DATABASE.replace(" ", "%20"), "\n".join([
            "task,id=a,job=old,type=load,datasource=sales records=5i,increment=70i 1700000000000",
            "task,id=b,job=old,type=load,datasource=sales records=5i,increment=80i 1700000001000",
            "task,id=c,job=old,type=test,datasource=sales records=5i,increment=99i 1700000002000",
            "task,id=d,job=new,type=load,datasource=a\\ b records=5i,increment=5i 1700000000000"]))
        self.fleet.must("increment", "log", "a b", "--job", "new", "--records", "1",
                        "--increment", "6")
        source = ("--url", self.influx.url, "--database", _DATABASE)
        dry = self.fleet.must("increment", "import", *source, "--dry-run", "-o", "csv")
        self.assertEqual(dry.splitlines()[0], "job,datasource,increment,logged")
        self.assertEqual(len(dry.splitlines()), 3)
        taken = self.fleet.must("increment", "import", *source, "-o", "csv")
        self.assertEqual(taken.splitlines()[1:], ["old,sales,80,2023-11-14T22:13:21.000Z"])
        self.assertEqual(self.fleet.must("increment", "read", "sales", "--job", "old"), "80\n")
        self.assertEqual(self.fleet.must("increment", "read", "a b", "--job", "new"), "6\n")
        wrong = self.fleet.cli("increment", "import", "--url", self.influx.url, "--database", "no")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("database not found", wrong.stderr.decode())

    def test_failures_and_more_tags(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "fail/a"), b"x")
        executions = self.points("execution", 4)
        # Both points of an attempt may be of the same millisecond.
        first, second = sorted({row["id"] for row in executions})
        self.assertEqual(sorted((row["id"], row["state"]) for row in executions),
                         [(each, state) for each in (first, second)
                          for state in ("error", "start")])
        self.assertEqual({row["job"] for row in executions}, {"fail"})


class MoreTagsTest(InfluxCase):
    """For those who ask for them."""

    tags = ", tags: [host, attempt, pipeline]"

    def test_tags(self):
        self.begin()
        case.write(os.path.join(self.home("unenriched"), "fail/a"), b"x")
        executions = self.points("execution", 4)
        self.assertEqual([(row["host"], row["attempt"], row["pipeline"]) for row in executions],
                         [("cw-b", "1", "fail")] * 2 + [("cw-b", "2", "fail")] * 2)


class OutageTest(InfluxCase):
    """An InfluxDB that is away, or does not want what it gets."""

    body_bytes_max = 100_000  # Less than a full request.

    def test_no_point_is_missing_after_a_minute(self):
        self.begin()
        self.influx.kill()
        ended = time.monotonic() + _OUTAGE_S
        for number in range(_JOBS):
            case.write(os.path.join(self.home("unenriched"), f"many/{number}"), b"x")
        self.finished_jobs(_JOBS, 240)
        time.sleep(max(0.0, ended - time.monotonic()))
        numbers = self.numbers()
        self.assertEqual(numbers["closewrite_coordinator_influx_points_waiting"], 2 * _JOBS)
        self.influx.start()
        executions = self.points("execution", 2 * _JOBS)
        self.assertEqual(len(executions), 2 * _JOBS)
        self.assertEqual(len({row["id"] for row in executions}), _JOBS)
        by_state = [row["state"] for row in executions]
        self.assertEqual((by_state.count("start"), by_state.count("end")), (_JOBS, _JOBS))
        self.until(lambda: self.numbers()["closewrite_coordinator_influx_points_waiting"] == 0,
                   "nothing waits any more")
        numbers = self.numbers()
        self.assertEqual(numbers["closewrite_coordinator_influx_points_written_total"], 2 * _JOBS)
        self.assertEqual(numbers["closewrite_coordinator_influx_points_refused_total"], 0)

    def test_a_database_that_comes_later_and_one_that_refuses(self):
        self.fleet.start()
        self.fleet.apply(_PIPELINES.format())
        case.write(os.path.join(self.home("unenriched"), "many/a"), b"x")
        log = self.fleet.coordinator.process.read_log
        self.until(lambda: b"database not found" in log(), "a word about it in the log")
        self.influx.query(f'CREATE DATABASE "{_DATABASE}"')
        self.assertEqual(len(self.points("execution", 2)), 2)
        # Another program has made an integer of the field `value`.
        self.influx.query(f'DROP DATABASE "{_DATABASE}"')
        self.influx.query(f'CREATE DATABASE "{_DATABASE}"')
        self.influx.write(_DATABASE.replace(" ", "%20"),
                          "execution,id=a,job=b,state=start value=1i")
        case.write(os.path.join(self.home("unenriched"), "many/b"), b"x")
        refused = "closewrite_coordinator_influx_points_refused_total"
        self.until(lambda: self.numbers()[refused] == 2, "both points are refused")
        self.assertRegex(log().decode(), re.compile("InfluxDB has refused points.*field type"))
        self.assertEqual(self.numbers()["closewrite_coordinator_influx_points_waiting"], 0)
