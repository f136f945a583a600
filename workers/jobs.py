"""The jobs: each reads, calls the domain or models, writes. What is to do is a table, never a job.

A job that is lost or fails loses nothing: the next tick finds what is left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog
from redis.asyncio import Redis

from domain import facts, messages, rebuild_order, review, sessions
from domain.rebuild_order import Place
from live import bus, channels, news, topics, wake
from models import (
    accounts,
    checklists,
    hours,
    ledger,
    marks,
    outbox,
    partitions,
    proofs,
    quarantine,
    switches,
)
from models import sessions as stored_sessions
from workers import alerting, rebuilding, sending

_REMOVE_BATCH = 1_000  # rows a statement removes
_SECONDS = 40
_REBUILD_SECONDS = 30  # then the last round may take its time

log = structlog.get_logger("worker")


@dataclass(slots=True)
class Tools:
    """What every job is given, as `ctx["tools"]`."""

    redis: Redis
    clock: Callable[[], datetime]
    records_days: int
    partitions_ahead_days: int
    post: sending.Post = sending.NOTHING
    turns: rebuild_order.Turns = field(default_factory=rebuild_order.Turns)
    review_days: int = 180
    rebuilding: asyncio.Lock = field(default_factory=asyncio.Lock)
    alerting: asyncio.Lock = field(default_factory=asyncio.Lock)


async def rebuild_marked(ctx: dict[str, Any]) -> None:
    """Rebuilds until no hour is marked that can be rebuilt now, or most of a job's time is over.

    Does nothing if this process already does it.
    """
    tools: Tools = ctx["tools"]
    if tools.rebuilding.locked():
        return
    async with tools.rebuilding:
        work = partial(_rebuild, tools)
        left = await rebuilding.run_rounds(tools.turns, tools.clock, work, _REBUILD_SECONDS)
    if left:
        await wake.hint(tools.redis, wake.For.MARKS)


async def _rebuild(
    tools: Tools, account_id: int, place: Place, with_day: bool
) -> dict[Place, bool] | None:
    """See `rebuilding.Rebuild`."""
    work = _rebuild_day if with_day else _rebuild_alone
    return await work(tools, account_id, place)


async def _rebuild_day(tools: Tools, account_id: int, place: Place) -> dict[Place, bool] | None:
    customer_id = place.customer_id
    try:
        together = [place.hour, *await marks.others_of_day(account_id, place, tools.clock())]
        rebuilt = await hours.try_rebuild_all(account_id, customer_id, together, tools.clock())
    except Exception as error:
        log.warning("hours not rebuilt together", error=repr(error), of=account_id, last=str(place))
        return None
    await _publish(tools, account_id, customer_id, rebuilt or {})
    return {Place(hour, customer_id): True for hour in rebuilt or ()}


async def _rebuild_alone(tools: Tools, account_id: int, place: Place) -> dict[Place, bool]:
    """An hour that fails does not keep the others."""
    which = hours.Hour(account_id, place.customer_id, place.hour)
    try:
        rebuilt = await hours.try_rebuild(*which, tools.clock())
    except hours.NotRebuiltError as error:
        if error.failure:
            log.error("hour not rebuilt", **which._asdict(), **asdict(error.failure))
        return {place: False}
    except Exception:
        log.exception("hour neither rebuilt nor set aside", **which._asdict())
        return {}
    if rebuilt is None:
        return {}
    await _publish(tools, account_id, place.customer_id, {place.hour: rebuilt})
    return {place: True}


async def _publish(
    tools: Tools, account_id: int, customer_id: int, rebuilt: Mapping[datetime, hours.Rebuilt]
) -> None:
    """After the commit: each changed hour, and once what it makes of the checklists."""
    topic = topics.rows(account_id, customer_id)
    for hour in rebuilt.values():
        if hour.changed:
            await bus.publish(tools.redis, topic, hour.version)
    if any(hour.unrated_changed for hour in rebuilt.values()):
        await _settle(tools, account_id, [customer_id, checklists.ACCOUNT])


async def post_closed(ctx: dict[str, Any]) -> None:
    """Posts the charges of hours that closed since they were rebuilt."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        while await ledger.post_closed(account_id, tools.clock()):
            pass


async def settle_checklists(ctx: dict[str, Any]) -> None:
    """Finds what has changed of the checklists, whatever changed it."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        changed = await checklists.changed(account_id, tools.clock())
        for start in range(0, len(changed), checklists.BATCH):
            await _settle(tools, account_id, changed[start : start + checklists.BATCH])


async def _settle(tools: Tools, account_id: int, ids: Sequence[int]) -> None:
    """Where one fails, each by itself, so that it does not keep the others; the next look finds it
    again."""
    try:
        told = await checklists.settle(account_id, ids, tools.clock())
    except Exception:
        log.exception("checklists not settled", account=account_id, of=list(ids[:10]))
        for id in ids if len(ids) > 1 else ():
            await _settle(tools, account_id, [id])
        return
    kind = facts.Kind.CHECKLIST_CHANGED
    numbers = {id or None: number for id, number in told.items()}
    await news.tell_many(tools.redis, account_id, kind, numbers)


async def send_messages(ctx: dict[str, Any]) -> None:
    """Sends what is due of the outbox."""
    tools: Tools = ctx["tools"]
    await sending.send_due(tools.post, tools.clock)


async def evaluate_alerts(ctx: dict[str, Any]) -> None:
    """Compares every alert rule with what there is to read now. Of rounds that overlap, the later
    leaves it to the earlier."""
    tools: Tools = ctx["tools"]
    if not tools.alerting.locked():
        async with tools.alerting:
            await alerting.evaluate(tools.redis, tools.clock)


async def make_partitions(ctx: dict[str, Any]) -> None:
    tools: Tools = ctx["tools"]
    today = tools.clock().date()
    await partitions.ensure(
        today - timedelta(days=1), today + timedelta(days=tools.partitions_ahead_days)
    )


async def drop_partitions(ctx: dict[str, Any]) -> None:
    tools: Tools = ctx["tools"]
    now = tools.clock()
    dropped = await partitions.drop_before(
        now.date() - timedelta(days=tools.records_days), now - timedelta(days=tools.review_days)
    )
    if dropped:
        log.info("records dropped", days=[str(day) for day in dropped])


_Removal: TypeAlias = tuple[Callable[[int, datetime, int], Awaitable[int]], timedelta]
# What is removed how long after nobody can use it any more: messages before what they carry.
_REMOVED: tuple[_Removal, ...] = (
    (outbox.remove_old, messages.KEPT),
    (proofs.remove_over, messages.KEPT),
    (stored_sessions.remove_over, sessions.KEPT),
    (checklists.remove_snoozes, timedelta(0)),
)


def _reviewed(review_days: int) -> tuple[_Removal, ...]:
    """Decided records in quarantine, and undecided ones that no longer keep their day."""
    kept = timedelta(days=review_days)
    return (
        (quarantine.remove_settled, kept),
        (quarantine.remove_open, kept + review.OPEN_AFTER_REVIEW),
    )


async def remove_old(ctx: dict[str, Any]) -> None:
    """Removes old messages, links, sessions, snoozes and refused records until none is left, or
    most of a job's time is over; the next tick goes on."""
    tools: Tools = ctx["tools"]
    now, time = tools.clock(), asyncio.get_running_loop().time
    end = time() + _SECONDS
    for account_id in await accounts.ids():
        for remove, kept in (*_REMOVED, *_reviewed(tools.review_days)):
            while await remove(account_id, now - kept, _REMOVE_BATCH) == _REMOVE_BATCH:
                if time() > end:
                    return


async def sweep_leases(ctx: dict[str, Any]) -> None:
    """Closes, in the count, calls of which nothing was heard for the length of their lease."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        lost = await channels.sweep(tools.redis, account_id, tools.clock())
        await switches.note_lost(account_id, lost, tools.clock())
        if lost:
            log.warning("leases ran out", account=account_id, calls=len(lost))
