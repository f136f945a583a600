"""The recovery from a loss of live state: which switches have to report before it is complete.

Redis no longer has the switches that were active before the loss. The caller passes
`SwitchReports`, which reads them from the database.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from redis.asyncio import Redis

from domain.directory.switch_activity import AwaitedSwitch
from live import channels

REDIS_LOST = "REDIS_LOST"  # a reason to request a snapshot


class SwitchReports(Protocol):
    """The functions of `models.directory.switch_reports` that a recovery needs."""

    async def awaited_switches(
        self, account_id: int, now: datetime
    ) -> Collection[AwaitedSwitch]: ...

    async def request_snapshots(
        self, account_id: int, reasons: Mapping[str, str], now: datetime
    ) -> None: ...


async def recover(redis: Redis, account_id: int, reports: SwitchReports, now: datetime) -> None:
    """Seeds Redis with the switches that have to report, and requests a snapshot from each."""
    awaited = await reports.awaited_switches(account_id, now)
    silent = await channels.seed(redis, account_id, awaited)
    await reports.request_snapshots(account_id, dict.fromkeys(silent, REDIS_LOST), now)


async def read(
    redis: Redis, account_id: int, customer_id: int | None, reports: SwitchReports, floor: int = 0
) -> channels.Channels:
    """Reads the live channels (see `channels.read`). If live state was lost, recovers it first."""
    state = await channels.read(redis, account_id, customer_id, floor=floor)
    if state.completeness is channels.Completeness.LOST:
        await recover(redis, account_id, reports, state.as_of)
        state = await channels.read(redis, account_id, customer_id, floor=floor)
    return state
