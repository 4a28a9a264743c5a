"""Functions whose every call is a span."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from wattlab._core import Span


def measured(span: Span, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with each call in a span of the same meter and name as `span`.

    Coroutines and generators are measured from their first step to their end.
    """
    if not callable(function):
        raise TypeError(f"a span decorates functions, and this is {function!r}")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with span.another():
                return await function(*args, **kwargs)

        return coroutine

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            with span.another():
                inner = function(*args, **kwargs)
                step = inner.asend(None)
                try:
                    while True:
                        try:
                            value = await step
                        except StopAsyncIteration:
                            return
                        # What is sent or thrown in here goes to the function, as without the span.
                        try:
                            step = inner.asend((yield value))
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            step = inner.athrow(error)
                finally:
                    await inner.aclose()

        return async_generator

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            with span.another():
                return (yield from function(*args, **kwargs))

        return generator

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with span.another():
            return function(*args, **kwargs)

    return plain
