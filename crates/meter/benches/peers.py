"""The meter and its peers on one simulated machine: `cargo xtask bench meter --peers`.

A process drives the counters of a powercap tree, of which the true energy is known; each tool measures
two seconds of it, unmodified, in a process of its own. Python's tools have `/sys/class/powercap` written
into them, so all this runs in a mount namespace of its own where that folder is ours (needs root).

    peers.py WATTLAB COST     a line of JSON per tool and case on standard output
"""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time

TREE = "/sys/class/powercap"
RANGE = 262143328850
WINDOW = 2.0

# Name: zones as (folder, name, counter at the start, watts), watts that are true for processor and
# memory, seconds of the window, and whether readings fail for a while.
CASES = {
    "constant": ([("intel-rapl:0", "package-0", 0, 100.0)], 100.0, WINDOW, False),
    "a wrap": ([("intel-rapl:0", "package-0", RANGE - 150_000_000, 100.0)], 100.0, WINDOW, False),
    "a wrap in 100 ms": ([("intel-rapl:0", "package-0", RANGE - 50_000_000, 1000.0)], 1000.0, 0.1, False),
    "dies that mirror": (
        [("intel-rapl:0", "package-0-die-0", 0, 100.0), ("intel-rapl:1", "package-0-die-1", 0, 100.0)],
        100.0, WINDOW, False,
    ),
    "dies apart": (
        [("intel-rapl:0", "package-0-die-0", 0, 100.0), ("intel-rapl:1", "package-0-die-1", 0, 50.0)],
        150.0, WINDOW, False,
    ),
    "psys": (
        [("intel-rapl:0", "package-0", 0, 100.0), ("intel-rapl:1", "psys", 0, 140.0)], 100.0, WINDOW, False,
    ),
    "memory": (
        [("intel-rapl:0", "package-0", 0, 100.0), ("intel-rapl:0:0", "dram", 0, 20.0)], 120.0, WINDOW, False,
    ),
    "readings fail": ([("intel-rapl:0", "package-0", 0, 100.0)], 100.0, WINDOW, True),
}


def build(zones):
    """The files, as the kernel lays them out."""
    subprocess.run(["sh", "-c", f"rm -rf {TREE}/*"], check=True)
    os.makedirs(f"{TREE}/intel-rapl", exist_ok=True)
    os.symlink(TREE, f"{TREE}/intel-rapl/subsystem")
    for folder, name, start, _ in zones:
        parts = folder.split(":")
        path = f"{TREE}/intel-rapl/" + (f"{parts[0]}:{parts[1]}/" if len(parts) == 3 else "") + folder
        os.makedirs(path)
        for file, text in (("name", name), ("max_energy_range_uj", RANGE), ("energy_uj", start), ("enabled", 1)):
            with open(f"{path}/{file}", "w") as f:
                f.write(f"{text}\n")
        os.symlink(path, f"{TREE}/{folder}")


def drive(zones, fails, ready, begin, stop):
    """Lets the counters go on until told to stop; readings fail from 0.8 to 1.1 s after `begin`."""
    # Nobody must keep the counters waiting: that would move the truth.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    files = [(os.path.realpath(f"{TREE}/{folder}"), start, watts) for folder, _, start, watts in zones]
    hidden = False
    t0 = time.monotonic()
    begin["t0"] = t0
    while not stop.is_set():
        now = time.monotonic() - t0
        since = time.monotonic() - begin["window"] if begin["window"] else -1.0
        hide = fails and 0.8 <= since < 1.1
        for path, start, watts in files:
            if hide and not hidden:
                os.replace(f"{path}/energy_uj", f"{path}/away")
                os.mkdir(f"{path}/energy_uj")
            if hidden and not hide:
                os.rmdir(f"{path}/energy_uj")
            if not hide:
                with open(f"{path}/new", "w") as f:
                    f.write(f"{(start + int(watts * now * 1e6)) % (RANGE + 1)}\n")
                os.replace(f"{path}/new", f"{path}/energy_uj")
        hidden = hide
        ready.set()
        time.sleep(0.0005)


def codecarbon(window, begin):
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="error")
    tracker.start()
    begin()
    time.sleep(window)
    begin(end=True)
    tracker.stop()
    data = tracker.final_emissions_data
    # Its memory is a model in any case, and told apart from nothing.
    return data.cpu_energy * 3.6e6


def zeus(window, begin):
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[], cpu_indices=None)
    begin()
    monitor.begin_window("w")
    time.sleep(window)
    measured = monitor.end_window("w")
    begin(end=True)
    joules = sum((measured.cpu_energy or {}).values())
    return joules + sum((measured.dram_energy or {}).values())


def pyjoules(window, begin):
    from pyJoules.device import DeviceFactory
    from pyJoules.energy_meter import EnergyMeter

    meter = EnergyMeter(DeviceFactory.create_devices())
    begin()
    meter.start()
    time.sleep(window)
    meter.stop()
    begin(end=True)
    return sum(sum(sample.energy.values()) for sample in meter.get_trace()) / 1e6


def carbontracker(window, begin):
    from carbontracker.tracker import CarbonTracker

    # It forgets everything after the last epoch, so there is one more.
    tracker = CarbonTracker(epochs=2, monitor_epochs=2, update_interval=1, components="cpu", verbose=0)
    begin()
    tracker.epoch_start()
    time.sleep(window)
    tracker.epoch_end()
    begin(end=True)
    return float(tracker.tracker.total_energy_per_epoch()[0]) * 3.6e6


PEERS = {"codecarbon": codecarbon, "zeus": zeus, "pyJoules": pyjoules, "carbontracker": carbontracker}


def measured_by_peer(tool, window, shared, answers):
    """In a process of its own: what the tool tells, and what it costs."""
    # Some start processes that outlive them, and all of them talk.
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    times = {}

    def begin(end=False):
        key = "to" if end else "from"
        times[key] = time.monotonic()
        if not end:
            shared["window"] = times[key]
        times[key + "_cpu"] = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])

    entered = time.monotonic()
    try:
        joules = PEERS[tool](window, begin)
        answers.put({
            "joules": joules,
            "from": times["from"],
            "to": times["to"],
            "ready_s": times["from"] - entered,
            "cpu_s": times["to_cpu"] - times["from_cpu"],
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        })
    except BaseException as error:  # noqa: BLE001: whatever it is, it is the tool's answer
        answers.put({"error": f"{type(error).__name__}: {error}"[:120]})


def measured_by_us(wattlab, window, shared):
    shared["window"] = time.monotonic()
    told = subprocess.run([wattlab, "measure", "--json", "--", "sleep", str(window)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    told = json.loads(told.stdout)
    return {"joules": told["total"]["joules"], "uncertainty": told["total"]["uncertainty_j"],
            "origin": told["total"]["origin"], "duration": told["duration_s"],
            "cpu_s": told["meter"]["cpu_s"], "warnings": len(told["warnings"])}


def run(wattlab, cost):
    context = multiprocessing.get_context("fork")
    manager = context.Manager()
    for case, (zones, watts, window, fails) in CASES.items():
        for tool in ["wattlab", *PEERS]:
            build(zones)
            shared, ready, stop = manager.dict(window=None, t0=None), context.Event(), context.Event()
            driver = context.Process(target=drive, args=(zones, fails, ready, shared, stop))
            driver.start()
            ready.wait()
            if tool == "wattlab":
                line = measured_by_us(wattlab, window, shared)
                line["truth"] = watts * line["duration"]
            else:
                answers = context.Queue()
                peer = context.Process(target=measured_by_peer, args=(tool, window, shared, answers))
                peer.start()
                try:
                    line = answers.get(timeout=60)
                except Exception:  # noqa: BLE001
                    line = {"error": "no answer within 60 s"}
                os.killpg(peer.pid, signal.SIGKILL)
                peer.join()
                if "error" not in line:
                    line["truth"] = watts * (line["to"] - line["from"])
            stop.set()
            driver.join()
            print(json.dumps({"tool": tool, "case": case, **line}), flush=True)
    build(CASES["constant"][0])
    told = subprocess.run([cost], stdout=subprocess.PIPE, check=True)
    print(told.stdout.decode().strip(), flush=True)
    started = time.monotonic()
    subprocess.run([wattlab, "measure", "--", "true"], stderr=subprocess.DEVNULL, check=True)
    ready = time.monotonic() - started
    # The child reads its parent's peak: a waited-for child's own would include this interpreter's.
    memory = subprocess.run([wattlab, "measure", "--", "sh", "-c", "cat /proc/$PPID/status"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    lines = dict(line.split(":", 1) for line in memory.stdout.decode().splitlines())
    megabytes = {key: int(lines[key].split()[0]) / 1024 for key in ("VmHWM", "RssAnon")}
    print(json.dumps({"tool": "wattlab", "case": "start", "ready_s": ready,
                      "rss_mb": megabytes["VmHWM"], "own_mb": megabytes["RssAnon"]}), flush=True)


if __name__ == "__main__":
    if os.environ.get("WATTLAB_PEERS_INSIDE") != "1":
        os.environ["WATTLAB_PEERS_INSIDE"] = "1"
        inside = f"mount -t tmpfs tmpfs /sys/class && mkdir {TREE} && exec \"$@\""
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", inside, "sh", sys.executable, *sys.argv])
    run(sys.argv[1], sys.argv[2])
