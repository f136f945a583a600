"""Samples the active calls of every account every 10 s, for their history."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import epoch
from domain.summaries import channel_history
from live import bus, channel_samples, channels, recovery, topics
from models import faults
from models.directory import switch_reports
from models.identity import accounts
from models.summaries import channel_samples as sample_store
from workers.readings import REPAIR_GRACE

_MAX_CONCURRENT_ACCOUNTS = 8
_TRIES, _RETRY_SECONDS = 6, 0.5
_RESERVE = timedelta(seconds=1)  # of a slot, to store the sample

Clock = Callable[[], datetime]
log = structlog.get_logger("worker")


async def sample_all(redis: Redis, clock: Clock) -> None:
    """Stores the sample of this slot for each account whose live state is complete and current.

    Tries until shortly before the end of the slot. A failing account does not delay the others.
    """
    slots = asyncio.Semaphore(_MAX_CONCURRENT_ACCOUNTS)
    end = epoch.floor(clock(), channel_history.SAMPLE_INTERVAL)
    end += channel_history.SAMPLE_INTERVAL

    async def sample_one(account_id: int) -> int | None:
        """Returns the account if it has to be tried again."""
        async with slots:
            try:
                is_done = await _sample(redis, account_id, clock, end)
            except (faults.UnavailableError, RedisError, OSError, TimeoutError):
                is_done = False
            except Exception:
                log.exception("channels not sampled", account=account_id)
                is_done = True
        return None if is_done else account_id

    remaining: Collection[int] = await accounts.ids()
    for _ in range(_TRIES):
        results = await asyncio.gather(*(sample_one(account_id) for account_id in remaining))
        remaining = [account_id for account_id in results if account_id is not None]
        if not remaining or clock() >= end - _RESERVE:
            return
        await asyncio.sleep(_RETRY_SECONDS)


async def _sample(redis: Redis, account_id: int, clock: Clock, end: datetime) -> bool:
    """Returns whether the account needs no other try in this slot."""
    taken_at = clock()
    sample = await channel_samples.take(redis, account_id)
    if sample.completeness is channels.Completeness.LOST:
        await recovery.recover(redis, account_id, switch_reports, taken_at)
        return False
    if not sample.is_certain:
        return False
    # No sample, because a switch has not corrected the state yet.
    if await switch_reports.is_snapshot_wanted(account_id, taken_at - REPAIR_GRACE):
        return False
    if clock() < end:  # otherwise Redis has answered late, with the calls of another slot
        calls = channel_history.calls_by_scope(sample.counts)
        await sample_store.store(account_id, taken_at, calls)
    return True


async def publish_minutes(redis: Redis) -> None:
    """Notifies subscribers that a minute has ended, with or without samples."""
    for account_id in await accounts.ids():
        await bus.publish(redis, topics.channel_minutes(account_id), 1)


async def fold_all(clock: Clock) -> None:
    """Computes 5 minutes and hours from minutes. A failing account does not block the others."""
    for account_id in await accounts.ids():
        try:
            await sample_store.fold(account_id, clock())
        except faults.UnavailableError:
            return
        except Exception:
            log.exception("channels not folded", account=account_id)
