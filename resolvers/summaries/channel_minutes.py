"""The minutes of the history of active calls, as they end."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from domain import epoch, refusals
from domain.identity import callers
from domain.periods import Period
from domain.records import calls
from domain.summaries.channel_history import ALL_CARRIERS, MINUTE, Calls, Minute
from live import bus as live_bus
from live import topics
from models import faults
from models.directory import carriers
from models.summaries import channel_queries
from models.tables import Carrier
from resolvers import access
from resolvers.access import Capability
from resolvers.directory import customers

MAX_SINCE = timedelta(days=7)
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
_SETTLED_AFTER = timedelta(seconds=5)  # the last sample of a minute is stored by then
_PAGE_MINUTES = 60
_CHECK_SECONDS = 5.0  # between two checks for an ended minute, if no message arrives
_RETRY_SECONDS = 1.0

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Stream:
    """The minutes of a customer, or (None) of the account, from `start`, the next one, on."""

    account_id: int
    customer_id: int | None
    start: datetime


@dataclass(frozen=True, slots=True)
class SampledMinute:
    """`by_carrier`: those with calls; None for calls without a carrier."""

    minute: Minute
    by_carrier: Sequence[tuple[Carrier | None, Calls]]

    @property
    def end(self) -> datetime:
        return self.minute.start + MINUTE


async def stream(
    caller: callers.Caller, customer_id: int | None, since: datetime | None, now: datetime
) -> Stream:
    """From the minute of `since`, or (None) from the newest that has ended.

    FORBIDDEN, NOT_FOUND, BAD_SINCE.
    """
    access.require_scope(caller, Capability.SEE_STATS, customer_id)
    if customer_id is not None:
        await customers.existing(caller.account_id, customer_id)
    ended = _ended_until(now)
    if since is None:
        return Stream(caller.account_id, customer_id, ended - MINUTE)
    if not now - MAX_SINCE <= since <= now + _MAX_CLOCK_DIFFERENCE:
        raise refusals.Refusal(
            "BAD_SINCE",
            "`since` is in the future or more than {days} days ago. Read the graph with `stats`"
            " and subscribe without `since`.",
            "since",
            days=MAX_SINCE.days,
        )
    start = epoch.floor(since, MINUTE)
    return Stream(caller.account_id, customer_id, min(start, ended))


async def follow(
    bus: live_bus.Bus, stream: Stream, clock: Callable[[], datetime]
) -> AsyncGenerator[SampledMinute, None]:
    """Every minute once, in order, after it has ended; also those without a sample."""
    topic = topics.channel_minutes(stream.account_id)
    async with bus.listen(topic, max_interval=_CHECK_SECONDS) as wakes:
        async for _ in wakes:
            wakes.max_interval = _CHECK_SECONDS
            while (ended := _ended_until(clock())) > stream.start:
                period = Period(stream.start, min(ended, stream.start + _PAGE_MINUTES * MINUTE))
                try:
                    minutes = await _read(stream, period)
                except faults.UNAVAILABLE_ERRORS as error:
                    _log.debug("channel minutes not read", error=repr(error))
                    wakes.max_interval = _RETRY_SECONDS
                    break
                for minute in minutes:
                    yield minute
                stream = replace(stream, start=period.end)


def _ended_until(now: datetime) -> datetime:
    return epoch.floor(now - _SETTLED_AFTER, MINUTE)


async def _read(stream: Stream, period: Period) -> list[SampledMinute]:
    minutes = await channel_queries.minutes(stream.account_id, stream.customer_id, period)
    ids = {id for minute in minutes for id in minute.calls if id not in _NOT_CARRIERS}
    rows = await carriers.by_ids(stream.account_id, sorted(ids)) if ids else {}
    return [SampledMinute(minute, _by_carrier(minute, rows)) for minute in minutes]


_NOT_CARRIERS = (ALL_CARRIERS, calls.NO_CARRIER)


def _by_carrier(
    minute: Minute, rows: Mapping[int, Carrier]
) -> Sequence[tuple[Carrier | None, Calls]]:
    ids = sorted(minute.calls.keys() - {ALL_CARRIERS}, key=lambda id: (id == calls.NO_CARRIER, id))
    return [(rows.get(id), minute.calls[id]) for id in ids]
