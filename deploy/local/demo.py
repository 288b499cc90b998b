"""The demonstration itself; deploy/local/demo calls it when all is built. See there."""

import argparse
import collections
import csv
import glob
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

_HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(_HERE, "..", "..", "tests"))

from hosts import fleet, pair, run_folder  # pylint: disable=wrong-import-position

_SUBDIVISIONS = "/usr/share/iso-codes/json/iso_3166-2.json"
_COUNTRIES = "/usr/share/iso-codes/json/iso_3166-1.json"
_ZONES = "/usr/share/zoneinfo/zone.tab"
_WAIT_S_MAX = 300
_KEPT = "kept"  # File in the run folder of a demonstration that was left running.

_PIPELINES = """\
pipelines:
  - name: enrich
    on: {{volume: unenriched, match: ["**/*.csv"], when: close_write}}
    run: {{command: [/usr/bin/python3, {script}, "{{input}}", "{{output}}"], labels: [demo]}}
    publish: {{volume: enriched}}
"""


def say(text):
    """A headline."""
    print(f"==> {text}", flush=True)


def load(path, key):
    """The entries of one of iso-codes' files."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)[key]


def zones_by_country():
    """alpha-2 code -> names of time zones."""
    zones = collections.defaultdict(list)
    with open(_ZONES, encoding="utf-8") as file:
        for row in csv.reader((line for line in file if line[0] != "#"), delimiter="\t"):
            zones[row[0]].append(row[2])
    return zones


def split_by_region(zones):
    """Relative path -> entries of ISO 3166-2: a folder a region, a file a country's initial."""
    files = collections.defaultdict(list)
    for entry in load(_SUBDIVISIONS, "3166-2"):
        country = entry["code"][:2]
        region = zones[country][0].split("/")[0] if zones[country] else "Elsewhere"
        files[f"{region}/{country[0]}.csv"].append(entry)
    return dict(files)


def as_csv(rows):
    """The rows as CSV in bytes."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def expected_result(entries, zones):
    """What the enriched file must hold, joined here once more, straight from the sources."""
    countries = {entry["alpha_2"]: entry for entry in load(_COUNTRIES, "3166-1")}
    rows = [("code", "name", "type", "country", "alpha_3", "time_zones")]
    for entry in entries:
        country = countries[entry["code"].partition("-")[0]]
        rows.append((entry["code"], entry["name"], entry["type"], country["name"],
                     country["alpha_3"], " ".join(zones[country["alpha_2"]])))
    return as_csv(rows)


def write_files(hosts, files, folder):
    """Writes the files through cw-a's mount, each fourth in the same way."""
    mount = hosts.path(hosts.a, "unenriched")
    for index, (name, entries) in enumerate(sorted(files.items())):
        source = os.path.join(folder, "source.csv")
        with open(source, "wb") as file:
            file.write(as_csv([("code", "name", "type"),
                               *((each["code"], each["name"], each["type"]) for each in entries)]))
        target = os.path.join(mount, name)
        script = (
            'cp "$1" "$2"',
            'cp "$1" "$2.part" && mv "$2.part" "$2"',
            'rsync "$1" "$2"',
            '{ head -n 2 "$1"; sleep 0.1; tail -n +3 "$1"; } > "$2"',
        )[index % 4]
        hosts.a.check(["sh", "-c", f'mkdir -p "${{2%/*}}" && {script}', "sh", source, target])


def show_progress(done, total, stop):
    """Draws a bar on a terminal until `stop` is set; `done` counts what is finished."""
    started = time.monotonic()
    while not stop.wait(0.1):
        finished = done()
        rate = finished / (time.monotonic() - started)
        left = f"{(total - finished) / rate:.0f} s left" if rate > 0 else ""
        filled = 40 * finished // total
        sys.stderr.write(f"\r  [{'#' * filled}{'.' * (40 - filled)}] {finished}/{total}"
                         f"  {rate:.1f}/s  {left}   ")
        sys.stderr.flush()
    sys.stderr.write("\r\033[K")


def result_names(root):
    """Relative paths of all results in a folder."""
    names = glob.glob(os.path.join(glob.escape(root), "**"), recursive=True)
    return sorted(os.path.relpath(each, root) for each in names if os.path.isfile(each))


def check_results(hosts, files, zones):
    """Every result is there once, and right; nothing else is there."""
    root = hosts.path(hosts.a, "enriched")
    names = result_names(root)
    if names != sorted(files):
        sys.exit(f"demo: FAILED: missing {sorted(set(files) - set(names))}, "
                 f"unexpected {sorted(set(names) - set(files))}")
    for name, entries in files.items():
        with open(os.path.join(root, name), "rb") as file:
            if file.read() != expected_result(entries, zones):
                sys.exit(f"demo: FAILED: {os.path.join(root, name)} is not what the join gives")
    rows = sum(map(len, files.values()))
    print(f"  {len(files)} results with {rows} rows: each there once, each right, none besides")


def percentiles(values):
    """`p50 12 ms, p99 40 ms` of seconds."""
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)]
    return f"p50 {at[0] * 1000:.0f} ms, p99 {at[1] * 1000:.0f} ms"


def report(services, files, show_all):
    """What happened, and how long it took."""
    say("closewrite jobs")
    lines = services.must("jobs", "-o", "table").splitlines()
    shown = lines if show_all else lines[:9]
    print("\n".join("  " + line for line in shown))
    if len(shown) < len(lines):
        print(f"  ... and {len(lines) - len(shown)} more")
    example = sorted(files)[len(files) // 2]
    say(f"closewrite explain unenriched:{example}")
    print("\n".join("  " + line
                    for line in services.must("explain", f"unenriched:{example}").splitlines()))
    jobs = services.jobs()
    if len(jobs) != len(files):
        sys.exit(f"demo: FAILED: {len(jobs)} jobs for {len(files)} files")
    say("How long it took from the close of a file, by the machine's one clock")
    print("  to the start of its command:  ", percentiles(
        [job.started_at - job.observed_at for job in jobs]))
    print("  to its result in place:       ", percentiles(
        [job.finished_at - job.observed_at for job in jobs]))


def leave_running(hosts, services, folder):
    """Keeps all that runs, and says how to look into it."""
    folder.keep()
    holders = [hosts.a.holder_pid, hosts.b.holder_pid] if hosts.namespaced else [
        service.process.pid for service in services.services()]
    folder.set_owner(holders[0])
    with open(os.path.join(folder.path, _KEPT), "w", encoding="ascii") as file:
        file.write("\n".join(f"{pid} {run_folder.start_time(pid)}" for pid in holders))
    enter = {each.name: "" for each in (hosts.a, hosts.b)}
    if hosts.namespaced:
        for each in (hosts.a, hosts.b):
            path = os.path.join(folder.path, f"on-{each.name}")
            fleet.write(path, "#!/bin/sh\nexec " + " ".join(each.argv([])) + ' "$@"\n')
            os.chmod(path, 0o755)
            enter[each.name] = path + " "
    cli = f"{enter['cw-a']}{fleet.program('cli')} --coordinator {services.address}"
    watcher = services.watchers["unenriched"]
    say("Left running. To look into it:")
    print(f"""\
  {cli} jobs
  {cli} executors
  {cli} events -f
  {enter['cw-a']}grpcurl -plaintext {services.address} list
  {enter['cw-a']}grpcurl -plaintext {services.address} grpc.health.v1.Health/Check
  {enter['cw-b']}grpcurl -plaintext {watcher.address} closewrite.v1.WatchService/DescribeVolumes
  files to be enriched go to {hosts.path(hosts.a, 'unenriched')} on cw-a: {enter['cw-a']}sh
  results lie in {hosts.path(hosts.a, 'enriched')}
  logs and configurations lie below {folder.path}/cw-a and cw-b
  end it with: deploy/local/demo --stop""")


def stop_kept():
    """Ends all demonstrations that were left running."""
    kept = glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), "closewrite-demo-*", _KEPT))
    for path in kept:
        with open(path, encoding="ascii") as file:
            for line in file:
                pid, started = map(int, line.split())
                if run_folder.start_time(pid) == started:
                    os.kill(pid, signal.SIGKILL)
                    while run_folder.start_time(pid) == started:
                        time.sleep(0.02)
    run_folder.sweep()
    print(f"{len(kept)} ended")


def wait_for_results(hosts, services, count):
    """`closewrite wait` until all results are there."""
    stop = threading.Event()
    root = hosts.path(hosts.a, "enriched")
    bar = threading.Thread(
        target=show_progress, args=(lambda: len(result_names(root)), count, stop))
    if sys.stderr.isatty():
        bar.start()
    try:
        services.must("wait", "--volume", "enriched", "--match", "**", "--count", str(count),
                      "--timeout", f"{_WAIT_S_MAX}s", seconds_max=_WAIT_S_MAX + 30)
    finally:
        stop.set()
        if bar.is_alive():
            bar.join()


def run(keep):
    """The whole demonstration."""
    folder = run_folder.RunFolder("demo")
    zones = zones_by_country()
    files = split_by_region(zones)
    if os.geteuid() == 0:
        say("Two hosts: network namespaces cw-a and cw-b, joined by sshfs over sshd both ways")
    else:
        say("Two folders on ONE host, because this is not root; as root it is two real hosts")
    with pair.Pair(folder.path, detached=keep) as hosts:
        say("Coordinator on cw-a, a watcher on each host, two executors on cw-b")
        services = fleet.Fleet(hosts)
        for number in (1, 2):
            services.add_executor(hosts.b, f"cw-b-{number}", slots=2, labels=["demo"])
        services.start()
        services.apply(_PIPELINES.format(script=os.path.join(_HERE, "enrich.py")))
        say(f"Writing {len(files)} files on cw-a into its mount of `unenriched`: cp, mv into "
            "place, rsync, slow append")
        writer = threading.Thread(target=write_files, args=(hosts, files, folder.path))
        writer.start()
        say(f"closewrite wait --volume enriched --match '**' --count {len(files)}")
        wait_for_results(hosts, services, len(files))
        writer.join()
        say("Checking the results against a join made here, without Closewrite")
        check_results(hosts, files, zones)
        report(services, files, show_all=False)
        if keep:
            leave_running(hosts, services, folder)
            # Neither `with` nor atexit may end what is to stay.
            sys.stdout.flush()
            os._exit(0)
    say("All right. `deploy/local/demo --keep` leaves it running.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    run_folder.exit_on_signals()
    if options.stop:
        stop_kept()
    else:
        try:
            run(options.keep)
        except (RuntimeError, TimeoutError, subprocess.SubprocessError) as problem:
            sys.exit(f"demo: FAILED: {problem}")
