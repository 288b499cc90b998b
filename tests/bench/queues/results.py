"""All that was measured, and how it is written."""

import json

from bench import measure
from bench.queues import meter


class Results:
    """Numbers of runs by (section, contender, case)."""

    def __init__(self):
        self._runs = {}
        self._missing = {}

    def add(self, section, contender, case, numbers):
        """The numbers of one run."""
        self._runs.setdefault((section, contender, case), []).append(numbers)

    def miss(self, section, contender, why):
        """This contender could not be measured in this section."""
        self._missing.setdefault((section, contender), why)

    def value(self, section, contender, case, name):
        """The median over the runs in which others left the machine alone; over all where there is
        none; None of nothing.
        """
        runs = self._runs.get((section, contender, case), [])
        quiet = [run for run in runs if run.get("strangers", 0.0) <= meter.STRANGERS_MAX]
        return measure.median([run.get(name) for run in quiet or runs])

    def values(self, section, contender, case, name):
        """Of all runs, those that there are."""
        return [run[name] for run in self._runs.get((section, contender, case), [])
                if run.get(name) is not None]

    def largest(self, section, contender, case, name):
        """The largest over all runs; None of nothing."""
        return max(self.values(section, contender, case, name), default=None)

    def best(self, section, contenders, cases, name="rate"):
        """The largest of several medians; None of nothing."""
        found = [self.value(section, contender, case, name)
                 for contender in contenders for case in cases]
        return max((each for each in found if each is not None), default=None)

    def quiet(self):
        """(measurements during which others left the machine alone, all)."""
        found = [run["strangers"] for each in self._runs.values() for run in each
                 if "strangers" in run]
        return (sum(strangers <= meter.STRANGERS_MAX for strangers in found), len(found))

    def contenders(self, section):
        """Names, in the order in which they came."""
        keys = [*self._runs, *self._missing]
        return list(dict.fromkeys(key[1] for key in keys if key[0] == section))

    def missing(self, section, contender):
        """Why a contender is missing, or None."""
        return self._missing.get((section, contender))

    def sections(self):
        """Names of what was measured."""
        return list(dict.fromkeys(key[0] for key in self._runs))

    def write(self, path, about, goals):
        """Writes everything as JSON."""
        rows = [{"section": section, "contender": contender, "case": case, "runs": runs,
                 "medians": {name: self.value(section, contender, case, name)
                             for name in dict.fromkeys(name for run in runs for name in run)}}
                for (section, contender, case), runs in self._runs.items()]
        missing = [{"section": section, "contender": contender, "why": why}
                   for (section, contender), why in self._missing.items()]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**about, "goals": goals, "measured": rows, "missing": missing}, file,
                      indent=1)
            file.write("\n")


def rated(numbers, meter_of_run=None):
    """Numbers of a client's run with what follows from them."""
    jobs, seconds = numbers.get("jobs", 0), numbers.get("seconds", 0)
    found = {"jobs": jobs, "seconds": seconds, "rate": jobs / seconds if seconds > 0 else None,
             **{name: value for name, value in numbers.get("latency", {}).items()
                if name != "count"}}
    if meter_of_run is not None:
        found["strangers"] = meter_of_run.strangers
        found["server_us"] = meter_of_run.server_cpu_s * 1e6 / jobs if jobs else None
        found["beside_us"] = meter_of_run.beside_cpu_s * 1e6 / jobs if jobs else None
    return found
