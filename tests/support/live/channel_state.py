"""Applies events of switches to the live channels of the account ACCOUNT and reads the counts."""

from redis.asyncio import Redis

from domain.records import calls
from live import channels
from tests.support.live.switch_events import after

ACCOUNT = 1


async def tell(
    redis: Redis, *events: calls.LiveEvent | calls.Beat, at: float = 0.0
) -> dict[str, str]:
    """The snapshots that are requested after these events, which arrive `at` seconds after NOW."""
    return (await channels.apply(redis, ACCOUNT, events, after(at))).snapshot_wanted


async def show(
    redis: Redis, snapshot: calls.Snapshot, at: float = 0.0
) -> tuple[calls.LostCall, ...]:
    applied = await channels.apply_snapshot(redis, ACCOUNT, snapshot, after(at))
    assert applied.settled_switches == {snapshot.switch}
    assert applied.snapshot_wanted == {}
    return applied.lost_calls


async def count(redis: Redis, customer: int | None = None) -> dict[int | None, int]:
    state = await channels.read(redis, ACCOUNT, customer)
    assert state.in_use == sum(n for _, n in state.by_carrier)
    return dict(state.by_carrier)
