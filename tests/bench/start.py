"""W5: from exec to watching a large tree, with a cold and a warm ledger, beside `find`."""

import os
import shutil
import subprocess
import time

from bench import contenders, load, measure, rig, table

_TOP, _BELOW, _FILES = 1000, 99, 10        # 100,000 directories, 1,000,000 files
_QUICK = (10, 9, 10)
_MAKE_S_MAX = 1800.0
_LIVE_S_MAX = 1800.0
_POLL_S = 0.005
_W5_FIND = 1.5
_W5_BYTES = 200

_FINDS = {
    "find (names only)": ["find"],
    # A scan must look at each file, as this does.
    "find -size (looks at each file)": ["find", "-size", "+1G"],
}


def _find(words, root):
    started = time.monotonic()
    subprocess.run([words[0], root, *words[1:]], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    return {"seconds": time.monotonic() - started}


def _tool(kind, programs, root, folder):
    """Start of a bare loop or a tool, and its memory."""
    with kind(programs, root, folder) as contender:
        started = time.monotonic()
        contender.start()
        seconds = time.monotonic() - started
        return {"seconds": seconds, "rss": measure.resident_bytes(contender.pid())[0]}


class _Watcher:
    """The watcher with a coordinator, and how long it takes to be live."""

    def __init__(self, folder, root):
        self.rig = rig.Rig(folder, root)
        self.rig.start_coordinator()

    def start(self):
        """Numbers of one start. The watcher runs afterwards."""
        if os.path.exists(os.path.join(self.rig.folder, "watcher", "log")):
            os.unlink(os.path.join(self.rig.folder, "watcher", "log"))
        started = time.monotonic()
        self.rig.start_watcher()
        self._until_live()
        seconds = time.monotonic() - started
        now, most = measure.resident_bytes(self.rig.watcher.pid)
        user, system = measure.cpu_seconds(self.rig.watcher.pid)
        return {"seconds": seconds, "rss": now, "rss_max": most, "cpu": user + system}

    def _until_live(self):
        deadline = time.monotonic() + _LIVE_S_MAX
        while b"volume live" not in self.rig.watcher.read_log():
            if not self.rig.watcher.alive() or time.monotonic() > deadline:
                raise RuntimeError(self.rig.watcher.read_log().decode(errors="replace"))
            time.sleep(_POLL_S)

    def stop(self):
        """Ends the watcher as an administrator would."""
        self.rig.watcher.terminate(_LIVE_S_MAX)

    def forget(self):
        """Drops the ledger."""
        shutil.rmtree(os.path.join(self.rig.folder, "watcher"))


def _empty_rss(folder):
    """Resident memory of a watcher of one empty folder."""
    root = os.path.join(folder, "empty")
    os.makedirs(root)
    watcher = _Watcher(os.path.join(folder, "empty-rig"), root)
    with watcher.rig:
        return watcher.start()["rss"]


def _drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")


def _cold_cache(watcher, place, runs):
    """Once each, for it takes long: nothing of the tree is in memory."""
    for name, words in list(_FINDS.items())[1:]:
        load.progress(f"start, cold cache: {name}")
        _drop_caches()
        runs["cold cache", name] = [_find(words, place.root)]
    load.progress("start, cold cache: closewrite")
    _drop_caches()
    runs["cold cache", "closewrite, warm ledger"] = [watcher.start()]
    watcher.stop()


def _one_round(number, watcher, place, programs, runs, quick):
    """Everybody once, with the tree in memory."""
    def note(name, numbers):
        runs.setdefault(("warm cache", name), []).append(numbers)

    def warm_ledger():
        note("closewrite, warm ledger", watcher.start())
        watcher.stop()
    steps = [lambda name=name, words=words: note(name, _find(words, place.root))
             for name, words in _FINDS.items()]
    tools = () if quick else (contenders.InotifyLoop, contenders.FanotifyLoop,
                              contenders.Inotifywait, contenders.Watchman)
    for kind in tools:
        folder = os.path.join(place.folder, f"tool-{number}-{len(steps)}")
        os.mkdir(folder)
        steps.append(lambda kind=kind, folder=folder: note(
            kind.name, _tool(kind, programs, place.root, folder)))
    steps.append(warm_ledger)
    for step in load.rotated(steps, number):
        step()


def run(programs, options):
    """Runs it. Returns (text, whether everything was caught)."""
    top, below, files = _QUICK if options.quick else (_TOP, _BELOW, _FILES)
    directories = top * (below + 1)
    runs = {}
    with load.Place(0, options.base) as place:
        load.progress(f"start: {directories:,} directories are made")
        subprocess.run([os.path.join(programs, "tree"), place.root, str(top), str(below),
                        str(files)], check=True, timeout=_MAKE_S_MAX)
        _find(_FINDS["find -size (looks at each file)"], place.root)
        empty = _empty_rss(place.folder)
        watcher = _Watcher(os.path.join(place.folder, "rig"), place.root)
        with watcher.rig:
            for number in range(options.runs):
                load.progress(f"start, run {number + 1}: cold ledger")
                if number > 0:
                    watcher.stop()
                    watcher.forget()
                runs.setdefault(("warm cache", "closewrite, cold ledger"), []).append(
                    watcher.start())
            load.progress("start: until all is acknowledged")
            watcher.rig.until_live()
            found = len({*watcher.rig.paths()})
            watcher.stop()
            for number in range(options.runs):
                load.progress(f"start, run {number + 1}: warm ledger and peers")
                _one_round(number, watcher, place, programs, runs, options.quick)
            if not options.quick:
                _cold_cache(watcher, place, runs)
    caught = found == directories * files
    return _table(runs, directories, files, empty, caught, options), caught


def _table(runs, directories, files, empty, caught, options):
    rows = {key: measure.medians(each) for key, each in runs.items()}
    name, looks = "closewrite, warm ledger", list(_FINDS)[1]
    cells = []
    for (cache, label), row in rows.items():
        ours = label.startswith("closewrite")
        extra = row["rss"] - empty if ours else row.get("rss")
        cells.append([
            cache, label, table.number(row["seconds"], "{:.2f}"),
            table.ratio(row["seconds"], rows.get((cache, looks), {}).get("seconds")),
            table.number(row.get("cpu"), "{:.2f}"),
            table.number(row.get("rss"), "{:.0f}", 1 / (1 << 20)),
            table.number(row.get("rss_max"), "{:.0f}", 1 / (1 << 20)),
            table.number(extra, "{:,.0f}", 1 / directories)])
    warm = rows["warm cache", name]
    times = warm["seconds"] / rows["warm cache", looks]["seconds"]
    names = warm["seconds"] / rows["warm cache", list(_FINDS)[0]]["seconds"]
    memory = (warm["rss"] - empty) / directories
    notes = [f"floor: `{looks}`; `find` alone reads names, and no attributes of files",
             f"W5, warm ledger <= {_W5_FIND}x `find -size`: {times:.2f}x, "
             f"{table.verdict(times, _W5_FIND)} ({names:.2f}x `find` of names only)",
             f"W5, memory <= {_W5_BYTES} bytes a directory beside the kernel's own: {memory:,.0f}, "
             f"{table.verdict(memory, _W5_BYTES)} (resident memory over that of a watcher of an "
             f"empty folder, {empty / (1 << 20):.0f} MiB; not counted for the others)",
             f"files found at the first start: {'all' if caught else 'NOT ALL'}",
             "cold cache: one run each"]
    return table.render(
        f"start: {directories:,} directories, {directories * files:,} files, {options.where}, "
        f"{options.runs} runs",
        ["", "", "exec -> watching, s", "beside find -size", "CPU s", "RSS MiB", "at most",
         "bytes a directory"], cells, notes)
