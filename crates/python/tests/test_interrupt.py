"""Ctrl-C during long calls, and other threads meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
import wattlab
from conftest import Tree


def _interrupted(call: Callable[[], object]) -> float:
    """Seconds from Ctrl-C to the exception."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, send)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    timer.join()
    return time.monotonic() - sent[0]


def test_ctrl_c_ends_a_measurement_of_idle_power(tree: Tree) -> None:
    with wattlab.Meter() as meter:
        assert _interrupted(lambda: meter.idle(30.0)) < 5.0


def test_other_threads_run_during_a_long_call(tree: Tree) -> None:
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    with wattlab.Meter() as meter:
        thread.start()
        meter.idle(0.3)
        done.set()
        thread.join()
    assert counted > 1000


def test_ctrl_c_ends_a_simulation() -> None:
    queue = {
        "seed": 1,
        "requests": 1_000_000_000,
        "warmup": 0,
        "arrivals": {"process": "poisson", "rate": 40.0},
        "service": {"law": "deterministic", "base_s": 0.01, "per_item_s": 0.005},
        "batching": {"policy": "greedy", "size": 8},
    }
    code = (
        "import signal, threading, os, wattlab, json, sys\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        f"    wattlab.simulate({queue!r}, requests=False)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "    os._exit(0)\n"
    )
    # In a process of its own, because the computation goes on in the background until the process ends.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == "interrupted", done.stderr
