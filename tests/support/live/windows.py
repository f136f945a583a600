"""Reading and filling the sliding window of the account ACCOUNT."""

from redis.asyncio import Redis

from domain.records import calls
from live import sliding_window
from tests.support.live.channel_state import ACCOUNT
from tests.support.live.switch_events import after


async def fill(redis: Redis, *ended: calls.EndedAttempt, at: float = 0.0) -> None:
    fill_token = await sliding_window.begin_fill(redis, ACCOUNT)
    assert fill_token is not None
    assert await sliding_window.fill(redis, ACCOUNT, fill_token, ended, after(at))
    assert await sliding_window.end_fill(redis, ACCOUNT, fill_token)


async def window(
    redis: Redis, at: float, customer: int | None = 1, seconds: int = 900
) -> sliding_window.Window:
    state = await sliding_window.read(redis, ACCOUNT, customer, seconds, after(at))
    assert state is not None
    return state


async def ended_in(redis: Redis, at: float, customer: int | None = 1, seconds: int = 900) -> int:
    return (await window(redis, at, customer, seconds)).sums.attempts


def record(event: calls.LiveEvent) -> calls.EndedAttempt:
    assert event.setup_at is not None
    assert event.outcome is not None
    return calls.EndedAttempt(
        event.switch, event.call_id, event.customer_id, event.setup_at, event.at, event.outcome
    )
