"""Reading and filling the sliding window of the account ACCOUNT."""

from hearing import ACCOUNT
from redis.asyncio import Redis
from speech import after

from domain import calls
from live import stats as live_stats


async def fill(redis: Redis, *ended: calls.Ended, at: float = 0.0) -> None:
    begun = await live_stats.begin_fill(redis, ACCOUNT)
    assert begun is not None
    assert await live_stats.fill(redis, ACCOUNT, begun, ended, after(at))
    assert await live_stats.end_fill(redis, ACCOUNT, begun)


async def window(
    redis: Redis, at: float, customer: int | None = 1, seconds: int = 900
) -> live_stats.Window:
    found = await live_stats.read(redis, ACCOUNT, customer, seconds, after(at))
    assert found is not None
    return found


async def ended_in(redis: Redis, at: float, customer: int | None = 1, seconds: int = 900) -> int:
    return (await window(redis, at, customer, seconds)).sums.attempts


def record(event: calls.LiveEvent) -> calls.Ended:
    assert event.setup_at is not None
    assert event.outcome is not None
    return calls.Ended(
        event.switch, event.call_id, event.customer_id, event.setup_at, event.at, event.outcome
    )
