"""Spans: nesting, threads, tasks, forks, exceptions, and wrong use."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pickle
import threading

import pytest
import wattlab
from conftest import Tree
from wattlab import Meter
from wattlab.errors import InputError, SensorError, SpanError


def test_joules_of_a_known_counter(tree: Tree) -> None:
    with Meter() as meter:
        with meter.span("work") as span:
            tree.set("intel-rapl:0", 5.0)
            tree.set("intel-rapl:0:0", 1.0)
        assert span.joules == pytest.approx(6.0, abs=span.uncertainty or 0.0)
        assert span.origin == "measured"
        assert set(span.by_domain) == {"cpu-package", "dram"}
        assert span.by_domain["dram"].joules == pytest.approx(1.0, abs=0.5)
        assert sum(energy.joules for energy in span.by_domain.values()) == pytest.approx(span.joules)


def test_an_estimate_is_no_measurement(tmp_path: os.PathLike[str]) -> None:
    with Meter(sysfs=tmp_path) as meter:
        with meter.span("work") as span:
            sum(range(200_000))
        assert span.origin == "estimated"
        assert span.joules is not None
        assert any("estimate" in warning for warning in span.warnings)


def test_without_any_sensor_joules_are_none_and_not_0(tmp_path: os.PathLike[str]) -> None:
    with Meter(sysfs=tmp_path, estimate=False) as meter, meter.span("work") as span:
        pass
    assert (span.joules, span.uncertainty, span.origin, span.by_domain) == (None, None, None, {})


def test_nested_spans_have_paths_and_the_inner_one_costs_no_more(tree: Tree) -> None:
    with Meter() as meter:
        with meter.span("fit") as fit:
            tree.set("intel-rapl:0", 1.0)
            with meter.span("epoch") as epoch:
                tree.set("intel-rapl:0", 4.0)
            with meter.span("epoch"):
                pass
        with meter.span("test"):
            pass
        assert (fit.name, epoch.name) == ("fit", "fit/epoch")
        assert epoch.joules is not None and fit.joules is not None and epoch.joules <= fit.joules
        report = meter.report()
        assert [span["name"] for span in report["spans"]] == ["fit/epoch", "fit/epoch", "fit", "test"]
        assert report["totals"]["fit/epoch"]["spans"] == 2
        assert report["totals"]["fit"]["origin"] == "measured"
        json.dumps(report)


def test_threads_have_paths_of_their_own(tree: Tree) -> None:
    with Meter() as meter:
        names: list[str] = []

        def work(number: int) -> None:
            with meter.span(f"thread-{number}") as outer, meter.span("inner") as inner:
                pass
            names.extend([outer.name, inner.name])

        with meter.span("main"):
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert sorted(names) == sorted(
        name for number in range(8) for name in (f"thread-{number}", f"thread-{number}/inner")
    )
    assert len(meter.report()["spans"]) == 17


def test_tasks_of_asyncio_have_paths_of_their_own(tree: Tree) -> None:
    async def work(meter: Meter, name: str) -> str:
        with meter.span(name), meter.span("inner") as inner:
            await asyncio.sleep(0)
        return inner.name

    async def main(meter: Meter) -> list[str]:
        with meter.span("main"):
            return list(await asyncio.gather(work(meter, "a"), work(meter, "b")))

    with Meter() as meter:
        assert asyncio.run(main(meter)) == ["main/a/inner", "main/b/inner"]


def test_a_decorator_measures_each_call(tree: Tree) -> None:
    with Meter() as meter:

        @meter.span("double")
        def double(x: int) -> int:
            """Doubles."""
            return 2 * x

        @meter.span("coroutine")
        async def coroutine() -> int:
            await asyncio.sleep(0)
            return 7

        @meter.span("generator")
        def generator():  # type: ignore[no-untyped-def]
            yield 1
            yield 2

        assert [double(1), double(2)] == [2, 4]
        assert (double.__name__, double.__doc__) == ("double", "Doubles.")
        assert asyncio.run(coroutine()) == 7
        assert list(generator()) == [1, 2]
        totals = meter.report()["totals"]
        assert {name: total["spans"] for name, total in totals.items()} == {
            "double": 2,
            "coroutine": 1,
            "generator": 1,
        }
        with pytest.raises(TypeError, match="decorates functions"):
            meter.span("no")(3)  # type: ignore[type-var]


def test_an_exception_is_reported_and_propagates(tree: Tree) -> None:
    with Meter() as meter:
        with pytest.raises(ValueError, match="loss is NaN"), meter.span("fit") as span:
            raise ValueError("loss is NaN")
        assert span.error == "ValueError: loss is NaN"
        assert meter.report()["spans"][0]["error"] == "ValueError: loss is NaN"
        with meter.span("next") as after:
            pass
        assert (after.name, after.error) == ("next", None)


def test_wrong_order_is_an_error_that_says_so(tree: Tree) -> None:
    meter = Meter()
    span = meter.span("x")
    with pytest.raises(SpanError, match="has not ended"):
        _ = span.joules
    with pytest.raises(SpanError, match="has not begun"):
        span.end()
    with span, pytest.raises(SpanError, match="has not ended"):
        _ = span.by_domain
    with pytest.raises(SpanError, match="begun already"):
        span.__enter__()
    with pytest.raises(SpanError, match="ended already"):
        span.end()
    left = meter.begin("left open")
    meter.close()
    meter.close()
    assert meter.closed
    with pytest.raises(SpanError, match="the meter is closed"):
        meter.span("y").__enter__()
    assert left.end().joules is not None
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(meter)
    with pytest.raises(TypeError, match="to_dict"):
        pickle.dumps(left)
    assert pickle.loads(pickle.dumps(left.to_dict()))["name"] == "left open"
    assert pickle.loads(pickle.dumps(wattlab.Energy(1.0, 0.1, "measured"))).joules == 1.0


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_an_interval_that_cannot_be_used(interval: float) -> None:
    with pytest.raises(InputError, match="`interval` is"):
        Meter(interval=interval)


def test_wrong_types_are_type_errors(tree: Tree) -> None:
    with pytest.raises(TypeError):
        Meter(interval="fast")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Meter(nonsense=1)  # type: ignore[call-arg]
    with Meter() as meter:
        with pytest.raises(TypeError):
            meter.span(3)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="`seconds` is"):
            meter.idle(float("nan"))
        with pytest.raises(OverflowError):
            Meter(keep=-1)


def test_a_plugin_that_is_missing_is_named(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(SensorError, match="nothing-here"):
        Meter(plugins=[os.path.join(tmp_path, "nothing-here.so")])


def _child(meter: Meter, open_span: wattlab.Span, pipe: int) -> None:
    with meter.span("child") as span:
        sum(range(1000))
    open_span.end()
    told = {
        "child": span.joules,
        "outer": open_span.joules,
        "warnings": open_span.warnings,
        "spans": [span["name"] for span in meter.report()["spans"]],
    }
    os.write(pipe, json.dumps(told).encode())


def test_a_fork_opens_its_sensors_again(tree: Tree) -> None:
    with Meter(interval=0.001) as meter:
        for _ in range(20):
            outer = meter.begin("outer")
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    _child(meter, outer, writer)
                finally:
                    os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as answer:
                told = json.loads(answer.read())
            os.waitpid(child, 0)
            assert told["child"] is not None
            assert told["outer"] is None and "forked" in told["warnings"][0]
            assert told["spans"] == ["child"]
            assert outer.end().joules is not None


def _square(x: int) -> int:
    return x * x


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works_beside_a_meter(tree: Tree, method: str) -> None:
    context = multiprocessing.get_context(method)
    with Meter(interval=0.001) as meter, meter.span("pool") as span, context.Pool(2) as pool:
        assert pool.map(_square, range(10)) == [x * x for x in range(10)]
    assert span.joules is not None


def test_memory_is_bounded_by_keep(tree: Tree) -> None:
    with Meter(keep=3) as meter:
        for number in range(10):
            with meter.span(f"s{number}"):
                pass
        report = meter.report()
        assert [span["name"] for span in report["spans"]] == ["s7", "s8", "s9"]
        assert report["count"] == 10


def test_a_data_frame_has_a_row_for_each_span(tree: Tree) -> None:
    pytest.importorskip("pandas")
    with Meter() as meter:
        for _ in range(3):
            with meter.span("epoch"):
                pass
        frame = meter.dataframe()
    assert list(frame["name"]) == ["epoch"] * 3
    assert {"joules", "uncertainty_j", "origin", "duration_s", "error"} <= set(frame.columns)
    assert "joules.dram.dram-0" in frame.columns or any("dram" in column for column in frame.columns)
