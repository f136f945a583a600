"""Subscriptions to facts on the schema itself: received facts and resume points."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis

from domain.identity import callers
from live import bus as live_bus
from resolvers.live import feeds
from schema import root
from schema.engine import base, services

INVOICES = """subscription ($customer: ID, $after: Long) {
  invoiceIssued(customerId: $customer, after: $after) { number at invoice { id number } } }"""
CHECKLISTS = """subscription ($customer: ID, $after: Long) {
  checklistChanged(customerId: $customer, after: $after) { number customerId outstanding } }"""


class FactStream:
    """The published facts, one at a time; `marks` are the points from which each may be resumed."""

    def __init__(self, results: AsyncIterator[Any], context: base.Context) -> None:
        self._queue: asyncio.Queue[tuple[Any, int | None]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(results, context))
        self.marks: list[int | None] = []

    async def _read(self, results: AsyncIterator[Any], context: base.Context) -> None:
        async for result in results:
            self._queue.put_nowait((result, context.progress.mark))

    async def next(self, within: float = 10) -> Any:
        async with asyncio.timeout(within):
            result, mark = await self._queue.get()
        assert result.errors is None, result.errors
        self.marks.append(mark)
        return next(iter(result.data.values()))

    async def take(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def numbers(self, count: int) -> list[int]:
        return [event["number"] for event in await self.take(count)]

    async def code(self) -> str:
        """The code of the refusal that is all there is."""
        await self._reading
        [(result, _)] = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        [error] = result.errors
        code: str = error.extensions["code"]
        return code

    async def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing is published for that time."""
        try:
            await self.next(seconds)
        except TimeoutError:
            return True
        return False

    @property
    def begun(self) -> bool:
        return self._reading.done() or not self._queue.empty()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])


@asynccontextmanager
async def following(
    caller: callers.Caller | None,
    redis: Redis,
    query: str,
    *,
    now: datetime = datetime(2026, 11, 20, 12, 30, tzinfo=UTC),
    resume_after: int | None = None,
    **values: Any,
) -> AsyncIterator[FactStream]:
    """Follows with a bus of its own, as another process would; begun once it is entered."""
    bus = live_bus.Bus(redis)
    await bus.start()
    context = base.Context(
        caller,
        lambda: now,
        services.Services(redis, bus, feeds.Feeds(redis, bus)),
        progress=base.Progress(resume_after),
    )
    pushes = await root.api.subscribe(query, variable_values=values, context_value=context)
    results, before = cast("Any", pushes), await _subscriptions(redis)
    followed = FactStream(results, context)
    async with asyncio.timeout(10):
        while not followed.begun and await _subscriptions(redis) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    try:
        yield followed
    finally:
        await followed.close()
        await results.aclose()
        await bus.close()


async def _subscriptions(redis: Redis) -> int:
    topics = await redis.pubsub_channels()
    return sum(count for _, count in await redis.pubsub_numsub(*topics)) if topics else 0
