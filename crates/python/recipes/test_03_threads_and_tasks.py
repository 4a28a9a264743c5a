"""Recipe 3: spans in threads and in tasks of asyncio. Spans that are open together see the same joules."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import wattlab


def test_threads() -> None:
    with wattlab.Meter() as meter:

        def work(number: int) -> str:
            with meter.span(f"part-{number}") as span:
                sum(range(1000))
            return span.name

        with meter.span("all"), ThreadPoolExecutor(4) as pool:
            # A thread begins with an empty path; a copy of the context continues the path of this one.
            contexts = [contextvars.copy_context() for _ in range(4)]
            names = list(pool.map(lambda pair: pair[1].run(work, pair[0]), enumerate(contexts)))

    assert names == [f"all/part-{number}" for number in range(4)]


def test_tasks() -> None:
    async def answer(meter: wattlab.Meter, name: str) -> str:
        with meter.span(name) as span:
            await asyncio.sleep(0)
        return span.name

    async def serve(meter: wattlab.Meter) -> list[str]:
        with meter.span("serve"):
            return list(await asyncio.gather(answer(meter, "a"), answer(meter, "b")))

    with wattlab.Meter() as meter:
        assert asyncio.run(serve(meter)) == ["serve/a", "serve/b"]
