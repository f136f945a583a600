"""Telling the live channels what switches say, and asking what is up, on the account ACCOUNT."""

from redis.asyncio import Redis
from speech import after

from domain import calls
from live import channels

ACCOUNT = 1


async def tell(
    redis: Redis, *events: calls.LiveEvent | calls.Beat, at: float = 0.0
) -> dict[str, str]:
    """The snapshots wanted after these events, told `at` seconds after NOW."""
    return (await channels.apply(redis, ACCOUNT, events, after(at))).snapshot_wanted


async def show(
    redis: Redis, snapshot: calls.Snapshot, at: float = 0.0
) -> tuple[channels.LostCall, ...]:
    applied = await channels.apply_snapshot(redis, ACCOUNT, snapshot, after(at))
    assert applied.settled == {snapshot.switch}
    assert applied.snapshot_wanted == {}
    return applied.lost


async def count(redis: Redis, customer: int | None = None) -> dict[int | None, int]:
    shown = await channels.read(redis, ACCOUNT, customer)
    assert shown.in_use == sum(n for _, n in shown.by_carrier)
    return dict(shown.by_carrier)
