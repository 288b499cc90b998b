"""Kills, freezes and restarts at random; several at a time, at any moment."""

import glob
import heapq
import itertools
import os
import signal
import time

from hosts import process

_PAUSE_S_MAX = 0.5
_BUSY_S_MAX = 1.0
_DOWN_S_MAX = 1.5
_TICK_S = 0.02
_AGAIN_S = 0.2

# A coordinator ends with this when its database can't be reached at its start.
_NO_DATABASE = 2


def _children(pid):
    """Process ids of the children of all threads of a process."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            continue
    return found


def _supervisors(service):
    """Process ids of the supervisors of its commands, though they may outlive it."""
    return process.supervisors(service.folder)


def _kill_pid(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _takes_sigterm(pid):
    """Whether a service waits for this signal, and so blocks it; false at its very start."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            blocked = next(line for line in file if line.startswith("SigBlk:")).split()[1]
    except (OSError, StopIteration):
        return False
    return bool(int(blocked, 16) >> (signal.SIGTERM - 1) & 1)


class Killer:
    """Not thread-safe. Every choice comes from a random.Random."""

    def __init__(self, chance, fleet, ttl_s, log):
        self._chance = chance
        self._fleet = fleet
        self._ttl_s = ttl_s
        self._log = log
        self._started = time.monotonic()
        self._due = []  # heap of (when, number, what, function)
        self._numbers = itertools.count()
        self._down = set()  # names of services that are not to run
        self._frozen = set()  # names of those that are frozen; these can only be killed
        self.counts = {}  # action: how often
        self.wrong = []  # what happened though nobody did it
        self._executors = executors = list(fleet.executors.values())
        self._deadly = (self._kill, self._kill_with_supervisors)
        # (weight, action, what it is done to)
        self._actions = [
            (3, self._kill, fleet.coordinators),
            (2, self._kill, [fleet.watchers["unenriched"]]),
            (2, self._kill, [fleet.watchers["enriched"]]),
            (4, self._kill, executors),
            (3, self._kill_with_supervisors, executors),
            (4, self._freeze_long, executors),
            (1, self._freeze, fleet.coordinators + list(fleet.watchers.values())),
            (1, self._kill_command, executors),
            (1, self._stop, fleet.coordinators),
        ]
        if fleet.postgres is not None:
            self._actions += [(3, self._kill_postgres, [fleet.postgres]),
                              (4, self._terminate_backends, [fleet.postgres])]

    def run(self, busy, actions_min, actions_max):
        """Goes on while `busy()`, within these limits."""
        actions = 0
        while actions < actions_min or (actions < actions_max and busy()):
            actions += self._act()
            self._wait(self._chance.uniform(0, _PAUSE_S_MAX))

    def end(self):
        """Everything runs again. Does not wait until it is ready."""
        while self._due:
            self._take_due(self._due[0][0])
        if self._fleet.postgres is not None:
            self._fleet.postgres.wait_ready()
        self._look_for_dead()
        while self._due:
            self._take_due(self._due[0][0])

    def _note(self, text):
        self._log.write(f"{time.clock_gettime_ns(time.CLOCK_BOOTTIME)} {text}\n")
        self._log.flush()

    def _act(self):
        """Does something to somebody. False when that was not possible."""
        weights = [weight for weight, _, _ in self._actions]
        _, action, objects = self._chance.choices(self._actions, weights)[0]
        victim = self._chance.choice(objects)
        if objects is self._executors:
            victim = self._busy_executor() or victim
        name = getattr(victim, "name", "postgres")
        if name in self._down or (name in self._frozen and action not in self._deadly):
            return False
        what = action.__name__.strip("_")
        self._note(f"{what} {name}")
        action(victim)
        self.counts[what] = self.counts.get(what, 0) + 1
        return True

    def _busy_executor(self):
        """One that runs a command just now, if there is one soon: those are worth killing."""
        until = time.monotonic() + _BUSY_S_MAX
        while time.monotonic() < until:
            busy = [each for each in self._executors if each.name not in self._down
                    and each.name not in self._frozen and _supervisors(each)]
            if busy:
                return self._chance.choice(busy)
            self._wait(_TICK_S)
        return None

    def _wait(self, seconds):
        """The moments are what is random here; nothing is waited for but what is due."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            self._take_due(now)
            self._look_for_dead()
            if now >= until:
                return
            time.sleep(min(_TICK_S, until - now))

    def _later(self, seconds, what, function):
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), what, function))

    def _take_due(self, now):
        while self._due and self._due[0][0] <= now:
            _, _, what, function = heapq.heappop(self._due)
            self._note(what)
            function()

    def _look_for_dead(self):
        for service in self._fleet.services():
            if service.name in self._down or service.process.alive():
                continue
            code = service.process.exit_code()
            if self._gave_up(service, code):
                # As a service manager would, which waits a little.
                self._start_later(service, _AGAIN_S)
                continue
            said = service.process.read_log()[-500:].decode(errors="replace")
            self.wrong.append(f"{service.name} ended by itself with {code}: {said}")
            service.start()

    def _gave_up(self, service, code):
        """A coordinator that was started without its database."""
        gave_up = (service.kind == "coordinator" and self._fleet.postgres is not None
                   and code == _NO_DATABASE)
        if gave_up:
            self.counts["gave_up"] = self.counts.get("gave_up", 0) + 1
        return gave_up

    def _down_s(self):
        """At once as often as not."""
        return self._chance.choice((0, self._chance.uniform(0, _DOWN_S_MAX)))

    def _start_later(self, service, seconds):
        def start():
            self._down.discard(service.name)
            service.start()
        self._down.add(service.name)
        self._later(seconds, f"start {service.name}", start)

    def _kill(self, service):
        service.kill()
        self._start_later(service, self._down_s())

    def _stop(self, service):
        ready = _takes_sigterm(service.process.pid)
        code = service.stop()
        # It may just have been about to end by itself.
        if code != 0 and ready and not self._gave_up(service, code):
            self.wrong.append(f"{service.name} was stopped and ended with {code}")
        self._start_later(service, self._down_s())

    def _kill_with_supervisors(self, service):
        # The guardian is a child, too.
        pids = set(_children(service.process.pid) + _supervisors(service))
        first = self._chance.random() < 0.5
        if first:
            for pid in pids:
                _kill_pid(pid)
        service.kill()
        if not first:
            for pid in pids:
                _kill_pid(pid)
        # Longer than its session may live, too.
        self._start_later(service, self._chance.uniform(0, 2 * self._ttl_s))

    def _kill_command(self, service):
        commands = [command for supervisor in _supervisors(service)
                    for command in process.children(supervisor)]
        if commands:
            _kill_pid(self._chance.choice(commands))

    def _freeze_for(self, service, seconds):
        frozen = service.process

        def thaw():
            self._frozen.discard(service.name)
            frozen.thaw()
        frozen.freeze()
        self._frozen.add(service.name)
        self._later(seconds, f"thaw {service.name}", thaw)

    def _freeze(self, service):
        self._freeze_for(service, self._chance.uniform(0, 1.5 * self._ttl_s))

    def _freeze_long(self, service):
        self._freeze_for(service, self._chance.uniform(1.0, 2.0) * self._ttl_s)

    def _kill_postgres(self, server):
        def start():
            self._down.discard("postgres")
            server.start()
        server.kill()
        self._down.add("postgres")
        self._later(self._down_s(), "start postgres", start)

    def _terminate_backends(self, server):
        server.terminate_backends(self._chance)
