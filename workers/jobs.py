"""The jobs: each reads, calls the domain or models, and writes. Pending work is in tables.

A lost or failed job loses nothing, because the next tick finds its work again. If the database is
unavailable, `models.availability` logs it and the jobs do not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog
from redis.asyncio import Redis

from domain import facts
from domain.identity import session_lifetimes
from domain.messaging import messages
from domain.records import call_channels, review
from domain.summaries import channel_history, minutes, rebuild_order
from domain.summaries.rebuild_order import Place
from live import bus, channels, fact_signals, topics, wake
from models import faults
from models.billing import ledger
from models.checklists import checklist_state
from models.directory import switch_reports
from models.identity import accounts, proofs, session_list
from models.messaging import outbox
from models.records import channel_reports, partitions, quarantine_store
from models.summaries import channel_samples, hours, marks, minute_removal
from workers import alerting, rebuilding, sampling, sending

_REMOVE_BATCH_ROWS = 1_000  # per statement
_REMOVE_SECONDS = 40
_REBUILD_SECONDS = 30  # then no further round begins

log = structlog.get_logger("worker")


@dataclass(slots=True)
class Tools:
    """The dependencies of the jobs, as `ctx["tools"]`."""

    redis: Redis
    clock: Callable[[], datetime]
    records_days: int
    partitions_ahead_days: int
    delivery: sending.Delivery = sending.NO_DELIVERY
    turns: rebuild_order.Turns = field(default_factory=rebuild_order.Turns)
    review_days: int = 180
    channel_minutes_days: int = 30
    rebuild_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    alert_lock: asyncio.Lock = field(default_factory=asyncio.Lock)


async def rebuild_marked(ctx: dict[str, Any]) -> None:
    """Rebuilds until no marked hour can be rebuilt now, or most of the job's time is over.

    Does nothing if this process is already rebuilding.
    """
    tools: Tools = ctx["tools"]
    if tools.rebuild_lock.locked():
        return
    async with tools.rebuild_lock:
        work = partial(_rebuild, tools)
        left = await rebuilding.run_rounds(tools.turns, tools.clock, work, _REBUILD_SECONDS)
    if left:
        await wake.hint(tools.redis, wake.Work.MARKS)


async def _rebuild(
    tools: Tools, account_id: int, place: Place, with_day: bool
) -> dict[Place, bool] | None:
    """A `rebuilding.Rebuild`."""
    rebuild = _rebuild_day if with_day else _rebuild_alone
    return await rebuild(tools, account_id, place)


async def _rebuild_day(tools: Tools, account_id: int, place: Place) -> dict[Place, bool] | None:
    customer_id = place.customer_id
    try:
        day_hours = [place.hour, *await marks.others_of_day(account_id, place, tools.clock())]
        rebuilt = await hours.try_rebuild_all(account_id, customer_id, day_hours, tools.clock())
    except faults.UnavailableError:
        return None
    except Exception as error:
        log.warning("hours not rebuilt together", error=repr(error), of=account_id, last=str(place))
        return None
    await _publish(tools, account_id, customer_id, rebuilt or {})
    return {Place(hour, customer_id): True for hour in rebuilt or ()}


async def _rebuild_alone(tools: Tools, account_id: int, place: Place) -> dict[Place, bool]:
    """Rebuilds one hour. A failure does not delay other hours."""
    marked_hour = hours.Hour(account_id, place.customer_id, place.hour)
    try:
        rebuilt = await hours.try_rebuild(*marked_hour, tools.clock())
    except hours.NotRebuiltError as error:
        if error.failure:
            log.error("hour not rebuilt", **marked_hour._asdict(), **asdict(error.failure))
        return {place: False}
    except faults.UnavailableError:
        return {}
    except Exception:
        log.exception("hour neither rebuilt nor set aside", **marked_hour._asdict())
        return {}
    if rebuilt is None:
        return {}
    await _publish(tools, account_id, place.customer_id, {place.hour: rebuilt})
    return {place: True}


async def _publish(
    tools: Tools, account_id: int, customer_id: int, rebuilt: Mapping[datetime, hours.RebuildResult]
) -> None:
    """Publishes each changed hour after the commit, and settles the checklists once."""
    topic = topics.rows(account_id, customer_id)
    for hour in rebuilt.values():
        if hour.changed:
            await bus.publish(tools.redis, topic, hour.version)
    if any(hour.unrated_changed for hour in rebuilt.values()):
        await _settle(tools, account_id, [customer_id, checklist_state.ACCOUNT])


async def post_closed(ctx: dict[str, Any]) -> None:
    """Posts the charges of hours that have closed since they were rebuilt."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        while await ledger.post_closed(account_id, tools.clock()):
            pass


async def settle_checklists(ctx: dict[str, Any]) -> None:
    """Publishes the checklists that have changed for any reason."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        changed = await checklist_state.changed_checklists(account_id, tools.clock())
        for start in range(0, len(changed), checklist_state.MAX_BATCH):
            await _settle(tools, account_id, changed[start : start + checklist_state.MAX_BATCH])


async def _settle(tools: Tools, account_id: int, ids: Sequence[int]) -> None:
    """If a batch fails, settles each checklist separately, so that one failure does not block the
    others. The next run finds the failed one again."""
    try:
        numbers_by_id = await checklist_state.settle(account_id, ids, tools.clock())
    except faults.UnavailableError:
        return
    except Exception:
        log.exception("checklists not settled", account=account_id, of=list(ids[:10]))
        for id in ids if len(ids) > 1 else ():
            await _settle(tools, account_id, [id])
        return
    kind = facts.Kind.CHECKLIST_CHANGED
    numbers = {id or None: number for id, number in numbers_by_id.items()}
    await fact_signals.publish_many(tools.redis, account_id, kind, numbers)


async def send_messages(ctx: dict[str, Any]) -> None:
    """Sends the messages of the outbox that are due."""
    tools: Tools = ctx["tools"]
    await sending.send_due(tools.delivery, tools.clock)


async def evaluate_alerts(ctx: dict[str, Any]) -> None:
    """Evaluates every alert rule. Does nothing while an earlier round still runs."""
    tools: Tools = ctx["tools"]
    if not tools.alert_lock.locked():
        async with tools.alert_lock:
            await alerting.evaluate(tools.redis, tools.clock)


async def create_partitions(ctx: dict[str, Any]) -> None:
    tools: Tools = ctx["tools"]
    today = tools.clock().date()
    await partitions.ensure_period(
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
# Removals, each with its retention after expiry: messages before their links and codes.
_REMOVALS: tuple[_Removal, ...] = (
    (outbox.remove_old, messages.RETENTION),
    (proofs.remove_expired, messages.RETENTION),
    (session_list.remove_ended, session_lifetimes.RETENTION),
    (checklist_state.remove_snoozes, timedelta(0)),
    (channel_reports.remove_old, call_channels.RETENTION),
    (minute_removal.remove_sums, minutes.REMOVED_AFTER),
    (minute_removal.remove_delays, minutes.REMOVED_AFTER),
)


def _review_removals(review_days: int) -> tuple[_Removal, ...]:
    """The removals of decided records in quarantine, and of undecided ones after a longer time."""
    retention = timedelta(days=review_days)
    return (
        (quarantine_store.remove_decided, retention),
        (quarantine_store.remove_open, retention + review.RETENTION_AFTER_REVIEW),
    )


async def remove_old(ctx: dict[str, Any]) -> None:
    """Removes expired messages, links, sessions, snoozes, quarantined records, sums by minute and
    minutes of active calls until none is left or most of the job's time is over. The next tick
    continues."""
    tools: Tools = ctx["tools"]
    now, time = tools.clock(), asyncio.get_running_loop().time
    end = time() + _REMOVE_SECONDS
    removals = (
        *_REMOVALS,
        *_review_removals(tools.review_days),
        (channel_samples.remove_minutes, timedelta(days=tools.channel_minutes_days)),
    )
    for account_id in await accounts.ids():
        for remove, retention in removals:
            while (
                await remove(account_id, now - retention, _REMOVE_BATCH_ROWS) == _REMOVE_BATCH_ROWS
            ):
                if time() > end:
                    return


async def sample_channels(ctx: dict[str, Any]) -> None:
    """Stores a sample of the active calls. In the first of a minute, subscribers are notified."""
    tools: Tools = ctx["tools"]
    is_first = channel_history.slot_of(tools.clock()) == 0
    await sampling.sample_all(tools.redis, tools.clock)
    if is_first:
        await sampling.publish_minutes(tools.redis)


async def fold_channels(ctx: dict[str, Any]) -> None:
    tools: Tools = ctx["tools"]
    await sampling.fold_all(tools.clock)


async def sweep_leases(ctx: dict[str, Any]) -> None:
    """Removes calls from the live count whose lease has expired without a report."""
    tools: Tools = ctx["tools"]
    for account_id in await accounts.ids():
        lost_calls = await channels.sweep(tools.redis, account_id, tools.clock())
        await switch_reports.record_lost_calls(account_id, lost_calls, tools.clock())
        if lost_calls:
            log.warning("leases expired", account=account_id, calls=len(lost_calls))
