"""Compares our samplers with other optimizers on tables of real trainings: `cargo xtask bench hpo --tables`.

    main.py WATTLAB RUNS.tsv [--tuning] [--strategies NAME,...] [--seeds N] [--jobs N] [--report]

Finished studies are kept in RUNS.tsv, so that a run goes on where it was interrupted. `--tuning` takes only the five
tables with which settings may be chosen, and `--report` runs nothing and reports what is there. Prints a section of
Markdown.
"""

import argparse
import os
import platform
import sys
from pathlib import Path

from runs import complete, kept
from searches import SEARCHES
from table import NAMES, TUNING
from report import section


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.split(":", 1)[1].split())
    return platform.machine()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--strategies")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true")
    flags = parser.parse_args()
    strategies = flags.strategies.split(",") if flags.strategies else list(SEARCHES)
    unknown = [name for name in strategies if name not in SEARCHES]
    if unknown:
        parser.error(f"--strategies: `{unknown[0]}` is unknown; the strategies are {', '.join(SEARCHES)}")
    names = TUNING if flags.tuning else NAMES
    say = lambda text: print(text, file=sys.stderr, flush=True)
    if not flags.report:
        complete(flags.runs, names, strategies, flags.seeds, flags.jobs, flags.program, say)
    results, versions = kept(flags.runs, names, strategies, flags.program)
    if not versions:
        parser.error(f"`{flags.runs}` has no strategy with results for every table; leave out --report")
    print(section(results, versions, names, processor()), end="")


if __name__ == "__main__":
    main()
