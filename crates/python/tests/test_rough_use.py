"""What no manual asks of a meter and a study: the results stay right, and errors name the cause."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import wattlab
from conftest import Tree
from wattlab import Float, Meter, Study, Trial
from wattlab.errors import Error, InputError, JournalError, StudyError

SPACE = {"x": Float(-5.0, 5.0)}
QUEUE: dict[str, Any] = {
    "seed": 1,
    "requests": 200,
    "warmup": 0,
    "arrivals": {"process": "poisson", "rate": 40.0},
    "service": {"law": "deterministic", "base_s": 0.01, "per_item_s": 0.005},
    "batching": {"policy": "greedy", "size": 8},
}


def _python(code: str, seconds: float = 30, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **environment},
        check=False,
    )


class _NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (_NoText(), "_NoText"),
        (ValueError("a\ud800b"), "ValueError: a"),
        (ValueError("x" * 10_000_000), "ValueError: xxx"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_any_exception_passes_through_a_span(tree: Tree, error: BaseException, text: str) -> None:
    with Meter() as meter:
        with pytest.raises(type(error)) as caught, meter.span("fit") as span:
            raise error
        assert caught.value is error
        assert span.error is not None and span.error.startswith(text) and len(span.error) < 600
        json.dumps(meter.report())


@pytest.mark.parametrize("name", ["", "a/b", "line\nfeed", "nul\0", "π" * 100_000, "%s{}"])
def test_a_span_may_have_any_name(tree: Tree, name: str) -> None:
    with Meter() as meter:
        with meter.span(name) as span:
            pass
        assert span.name == name == meter.report()["spans"][0]["name"]
        repr(span)


def test_a_name_that_is_no_text_is_refused(tree: Tree) -> None:
    with Meter() as meter:
        with pytest.raises(UnicodeEncodeError):
            meter.span("\ud800")
        with meter.span("next"):
            pass


def test_spans_that_overlap_leave_no_trace_in_later_paths(tree: Tree) -> None:
    with Meter() as meter, meter.span("main"):
        first, second = meter.span("first"), meter.span("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with meter.span("after") as after:
            pass
    assert after.name == "main/after"


def test_generators_that_take_turns_leave_no_trace_in_later_paths(tree: Tree) -> None:
    with Meter() as meter:

        @meter.span("count")
        def count() -> Iterator[int]:
            yield from range(3)

        assert list(zip(count(), count())) == [(0, 0), (1, 1), (2, 2)]
        gc.collect()
        with meter.span("after") as after:
            pass
    assert after.name == "after"


def test_a_span_that_another_thread_ends_leaves_no_trace(tree: Tree) -> None:
    with Meter() as meter:
        span = meter.span("here")
        span.__enter__()
        thread = threading.Thread(target=span.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        with meter.span("after") as after:
            pass
    assert span.joules is not None and after.name == "after"


def test_a_generator_that_is_left_early_has_not_failed(tree: Tree) -> None:
    with Meter() as meter:

        @meter.span("count")
        def count() -> Iterator[int]:
            yield from range(100)

        generator = count()
        next(generator)
        generator.close()
        [span] = meter.report()["spans"]
    assert span["error"] is None


def test_a_generator_of_coroutines_behaves_as_without_the_span(tree: Tree) -> None:
    closed: list[str] = []

    async def plain() -> AsyncIterator[str]:
        try:
            got = "first"
            while True:
                try:
                    got = yield got  # type: ignore[misc]
                except ValueError as error:
                    got = f"caught {error}"
        finally:
            closed.append("closed")

    async def use(function: Any) -> list[str]:
        generator = function()
        heard = [await generator.asend(None), await generator.asend("sent"), await generator.athrow(ValueError("x"))]
        await generator.aclose()
        return heard

    with Meter() as meter:
        assert asyncio.run(use(meter.span("agen")(plain))) == asyncio.run(use(plain)) == ["first", "sent", "caught x"]
        assert closed == ["closed", "closed"]
        [span] = meter.report()["spans"]
    assert (span["name"], span["error"]) == ("agen", None)


def test_a_task_that_is_cancelled_ends_its_spans(tree: Tree) -> None:
    async def main(meter: Meter) -> None:
        @meter.span("work")
        async def work() -> None:
            with meter.span("inner"):
                await asyncio.sleep(60)

        with meter.span("main"):
            task = asyncio.create_task(work())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(work(), 0.01)
            with meter.span("after"):
                pass

    with Meter() as meter:
        asyncio.run(main(meter))
        spans = [(span["name"], span["error"]) for span in meter.report()["spans"]]
    stopped = [("main/work/inner", "CancelledError"), ("main/work", "CancelledError")]
    assert spans == [*stopped, *stopped, ("main/after", None), ("main", None)]


def test_many_threads_begin_end_and_read_at_once(tree: Tree) -> None:
    with Meter(interval=0.001) as meter:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(200):
                    with meter.span("outer"), meter.span("inner") as span:
                        pass
                    assert span.joules is not None and span.name == "outer/inner"
                    meter.readings()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            meter.report()
        for thread in threads:
            thread.join()
        assert not failed
        assert meter.report()["count"] == 8 * 200 * 2


def test_a_fork_while_threads_measure(tree: Tree) -> None:
    with Meter(interval=0.001) as meter:
        done = threading.Event()

        def work() -> None:
            while not done.is_set():
                with meter.span("thread"):
                    meter.readings()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                with meter.span("parent") as outer:
                    child = os.fork()
                    if child == 0:
                        # Whatever happens here, the parent's test must not go on in the child.
                        code = 1
                        try:
                            with meter.span("child") as span:
                                pass
                            code = 0 if span.joules is not None else 2
                        finally:
                            os._exit(code)
                    deadline = time.monotonic() + 20
                    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
                        if time.monotonic() > deadline:
                            os.kill(child, signal.SIGKILL)
                            os.waitpid(child, 0)
                            pytest.fail("the child hangs")
                        time.sleep(0.005)
                    assert os.WEXITSTATUS(ended[1]) == 0
                assert outer.joules is not None
        finally:
            done.set()
            for thread in threads:
                thread.join()


def _leaves(meter: Meter) -> None:
    with meter.span("child"):
        raise SystemExit(7)


def test_a_child_that_leaves_inside_spans(tree: Tree) -> None:
    with Meter() as meter, meter.span("parent") as span:
        process = multiprocessing.get_context("fork").Process(target=_leaves, args=(meter,))
        process.start()
        process.join(20)
        assert process.exitcode == 7
    assert span.error is None and span.joules is not None


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(0)",
        "span = meter.span('open'); span.__enter__()",
        "spans = [meter.begin(str(i)) for i in range(1000)]",
        "g = (lambda: (yield))",
        "threading.Thread(target=lambda: meter.span('t').__enter__(), daemon=True).start()",
        "threading.Thread(target=forever, daemon=True).start(); time.sleep(0.05)",
        "atexit.register(lambda: meter.report())",
        "atexit.register(lambda: meter.span('late').__enter__())",
        "sys.meter = meter; sys.span = meter.begin('x')",
        "tracker = EmissionsTracker(save_to_file=False); tracker.start()",
        "study = wattlab.Study({'x': wattlab.Float(0, 1)}, journal=os.path.join(sys.argv[1], 's')); study.ask()",
    ],
)
def test_a_program_may_end_with_everything_open(tree: Tree, tmp_path: Path, end: str) -> None:
    code = (
        "import atexit, os, sys, threading, time, wattlab\n"
        "from wattlab.compat.codecarbon import EmissionsTracker\n"
        f"sys.argv = ['', {str(tmp_path)!r}]\n"
        "meter = wattlab.Meter(interval=0.001)\n"
        "def forever():\n"
        "    while True:\n"
        "        with meter.span('loop'): meter.readings()\n"
        f"{end}\n"
    )
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("way", ["interrupt", "terminate"])
def test_a_signal_ends_a_long_call_and_the_program(way: str) -> None:
    code = (
        "import os, signal, sys, threading, time, wattlab\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        f"signal_ = signal.{'SIGINT' if way == 'interrupt' else 'SIGTERM'}\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal_)).start()\n"
        "begin = time.monotonic()\n"
        "try:\n"
        f"    wattlab.simulate({ ({**QUEUE, 'requests': 1_000_000_000})!r}, requests=False)\n"
        "finally:\n"
        "    print(time.monotonic() - begin < 5)\n"
    )
    done = _python(code)
    assert done.stdout.strip() == "True", done.stderr
    assert done.returncode == (-signal.SIGINT if way == "interrupt" else 9), done.stderr


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, [math.nan]])
def test_values_that_are_not_finite_are_failed_trials(value: Any) -> None:
    study = Study(SPACE, seed=1)
    study.optimize(lambda trial: value, 3)
    assert [row["state"] for row in study.trials()] == ["failed"] * 3
    with pytest.raises(Error):
        study.best()
    study.optimize(lambda trial: trial["x"] ** 2, 3)
    assert study.best()["value"] >= 0


@pytest.mark.parametrize("value", ["good", {"loss": 1.0}, [1.0, 2.0], [], 1j, object()])
def test_an_objective_that_returns_no_number_fails_its_trial(value: Any) -> None:
    study = Study(SPACE, seed=1)
    with pytest.raises((InputError, TypeError)):
        study.optimize(lambda trial: value, 1)
    assert study.running() == []
    assert [row["state"] for row in study.trials()] == ["failed"]


def test_an_objective_that_tells_its_own_trial(tree: Tree) -> None:
    study = Study(SPACE, seed=1)

    def objective(trial: Trial) -> float:
        study.tell(trial, 2.0)
        return 1.0

    with pytest.raises(StudyError, match="not running"):
        study.optimize(objective, 1)
    assert study.trials()[0]["values"] == [2.0]


def test_an_objective_may_search_with_a_study_of_its_own(tree: Tree) -> None:
    def outer(trial: Trial) -> float:
        inner = Study(SPACE, seed=trial.number)
        return float(inner.optimize(lambda other: (other["x"] - trial["x"]) ** 2, 3).best()["value"])

    study = Study(SPACE, seed=1).optimize(outer, 3)
    assert len(study.trials()) == 3


def _deep(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


_ITSELF: dict[str, Any] = {}
_ITSELF["again"] = _ITSELF


@pytest.mark.parametrize(
    "description",
    [
        {},
        {**QUEUE, **{f"key{number}": number for number in range(200_000)}},
        {**QUEUE, "seed": 10**400},
        {**QUEUE, "seed": -1},
        {**QUEUE, "requests": 10**30},
        {**QUEUE, "requests": math.nan},
        {**QUEUE, "arrivals": _deep(100)},
        {**QUEUE, "arrivals": _deep(100_000)},
        {**QUEUE, "arrivals": _ITSELF},
        {**QUEUE, "batching": None},
        {**QUEUE, "batching": {"policy": "x" * 1_000_000}},
        {**QUEUE, "service": [1, "a", {}]},
        {**QUEUE, "\ud800": 1},
        {**QUEUE, 3: 1},
    ],
    ids=lambda description: f"{len(description)}",
)
def test_descriptions_that_cannot_be_used(description: dict[Any, Any]) -> None:
    with pytest.raises(InputError) as caught:
        wattlab.simulate(description)
    assert len(str(caught.value)) < 4000


def test_a_value_that_json_has_not_is_named() -> None:
    with pytest.raises(TypeError, match="object"):
        wattlab.simulate({**QUEUE, "seed": object()})


def _study(path: Path) -> Study:
    return Study(SPACE, seed=1, journal=path)


def _journal(path: Path, trials: int = 3) -> bytes:
    with _study(path) as study:
        for _ in range(trials):
            trial = study.ask()
            study.tell(trial, trial["x"] ** 2)
    return path.read_bytes()


def test_a_journal_cut_anywhere_opens_or_says_why(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    whole = _journal(path)
    counts = set()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with _study(path) as study:
            counts.add(len(study.trials()))
            study.tell(study.ask(), 1.0)
    assert counts == {0, 1, 2}, "the last line is never whole"


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_damaged_journal_is_refused_and_left_alone(tmp_path: Path, at: float) -> None:
    path = tmp_path / "study.jsonl"
    whole = bytearray(_journal(path))
    whole[int(len(whole) * at)] ^= 1
    path.write_bytes(whole)
    with pytest.raises(JournalError, match=r"study\.jsonl"):
        _study(path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("kind", ["folder", "missing folder", "binary", "device", "other study"])
def test_what_is_no_journal_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    if kind == "folder":
        path.mkdir()
    elif kind == "missing folder":
        path = tmp_path / "none" / "here"
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 100)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        Study({"y": Float(0, 1)}, journal=path).close()
    with pytest.raises((JournalError, InputError), match=str(path)):
        _study(path)


def test_a_journal_that_another_process_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    code = (
        "import sys, wattlab\n"
        f"study = wattlab.Study({{'x': wattlab.Float(-5, 5)}}, seed=1, journal={str(path)!r})\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(JournalError, match=r"study\.jsonl"):
            _study(path)
        other.kill()
    with _study(path) as study:
        assert study.ask().number == 0


def test_a_child_does_not_hold_the_journal_that_its_parent_closed(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    study = _study(path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        study.close()
        with _study(path) as again:
            assert again.ask().number == 0
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_a_journal_that_vanishes_is_an_error_and_not_a_new_study(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    with _study(path) as study:
        study.tell(study.ask(), 1.0)
        path.unlink()
        with pytest.raises(JournalError, match=r"study\.jsonl"):
            study.ask()


def test_interrupts_at_any_time_leave_a_study_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    code = (
        "import os, random, signal, threading, wattlab\n"
        f"study = wattlab.Study({{'x': wattlab.Float(-5, 5)}}, seed=1, sampler='random', journal={str(path)!r})\n"
        "threading.Timer(0.05 + 0.3 * random.random(), lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "study.optimize(lambda trial: trial['x'] ** 2, 1_000_000)\n"
    )
    for _ in range(4):
        done = _python(code)
        assert done.returncode == -signal.SIGINT, done.stderr
        assert done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stderr
    with Study(SPACE, seed=1, sampler="random", journal=path) as study:
        assert all(row["state"] in ("completed", "failed", "running") for row in study.trials())
        study.tell(study.ask(), 1.0)
