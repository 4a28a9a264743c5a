"""Runs studies and keeps their results in a file, so that an interrupted run goes on where it ended."""

import hashlib
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import version

for _threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

from searches import SEARCHES
from table import Table

TRIALS = (32, 64)
_tables = {}


@cache
def version_of(strategy, program):
    """What a result belongs to: the version of the package, or the digest of our program."""
    package = SEARCHES[strategy][1]
    if package:
        return version(package)
    with open(program, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def run(name, strategy, seed, program):
    """Regret of the trial with the best observed value after 32 and 64 trials, and seconds for all suggestions."""
    if name not in _tables:
        _tables[name] = Table(name)
    table = _tables[name]
    better = (lambda a, b: a > b) if table.direction == "maximize" else (lambda a, b: a < b)
    began, best, regrets = time.monotonic(), None, []
    search = SEARCHES[strategy][0](table, seed, program)
    point = next(search)
    for trial in range(1, TRIALS[-1] + 1):
        value = table.observe(point, seed)
        if best is None or better(value, best[0]):
            best = (value, table.regret(point))
        if trial in TRIALS:
            regrets.append(best[1])
        if trial < TRIALS[-1]:
            point = search.send(value)
    search.close()
    return regrets, time.monotonic() - began


def read(path):
    """The results that a file has, as {(table, strategy, version, seed): (regrets, seconds)}."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            cells = line.split("\t")
            if len(cells) == 7:
                table, strategy, of, seed, early, late, seconds = cells
                key = (table, strategy, of, int(seed))
                found[key] = ([float(early), float(late)], float(seconds))
    return found


def complete(path, names, strategies, seeds, jobs, program, say):
    """Runs the studies that the file does not have."""
    found = read(path)
    missing = [
        (name, strategy, version_of(strategy, program), seed)
        for seed in range(seeds)
        for strategy in strategies
        for name in names
        if seed < SEARCHES[strategy][2]
    ]
    missing = [key for key in missing if key not in found]
    with ProcessPoolExecutor(jobs) as pool, path.open("a") as file:
        running = {
            pool.submit(run, name, strategy, seed, program): (name, strategy, of, seed)
            for name, strategy, of, seed in missing
        }
        for count, future in enumerate(as_completed(running), 1):
            key = running[future]
            regrets, seconds = future.result()
            cells = [*map(str, key), *(f"{regret:.6g}" for regret in regrets), f"{seconds:.2f}"]
            file.write("\t".join(cells) + "\n")
            file.flush()
            say(f"{count}/{len(missing)} {key[1]} {key[0]} seed {key[3]}: {seconds:.1f} s")


def kept(path, names, strategies, program):
    """The regrets in the file as {(table, strategy): {seed: regrets}}, of strategies that have results for every table,
    with the versions of these strategies."""
    versions, results = {}, {}
    found = read(path)
    for strategy in strategies:
        of = version_of(strategy, program)
        own = {
            name: {key[3]: value[0] for key, value in found.items() if key[:3] == (name, strategy, of)}
            for name in names
        }
        if all(own.values()):
            versions[strategy] = of
            results.update({(name, strategy): runs for name, runs in own.items()})
    return results, versions
