"""A pytest plugin: a hanging test fails with the line where it waits, and the run continues."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

_AGAIN_SECONDS = 10.0  # at most, if the test continues after it was canceled


class HangError(BaseException):
    """Not an Exception: Hypothesis would run the test again to see whether it fails again."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("hang_seconds", "a test that takes longer fails", default="300")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    with _limited(float(item.config.getini("hang_seconds"))):
        return (yield)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Ends a test with its fixtures if it exceeds the time."""
    reason = f"The test hangs: it has not ended after {seconds:g} seconds."
    cancelled: list[object] = []

    def end(_: int, frame: FrameType | None) -> None:
        task = _awaited_task(frame)
        if task is None or task in cancelled:
            raise HangError(reason)
        cancelled.append(task)
        task.get_loop().call_soon_threadsafe(task.cancel, reason)

    previous = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, min(seconds, _AGAIN_SECONDS))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _awaited_task(frame: FrameType | None) -> "asyncio.Future[object] | None":
    """The task of an asynchronous test or fixture: if it is canceled, the report shows what it
    awaits. None if no event loop runs."""
    while frame is not None:
        if frame.f_code is asyncio.BaseEventLoop.run_until_complete.__code__:
            task: asyncio.Future[object] = frame.f_locals["future"]
            return task
        frame = frame.f_back
    return None
