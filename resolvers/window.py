"""The sliding window as a caller may see it, filled from the records where Redis has lost it."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import callers, refusals
from live import stats as live_stats
from live import topics
from models import ended
from resolvers import access, live
from resolvers.access import Capability

SHORTEST_SECONDS = 10
LONGEST_SECONDS = live_stats.LONGEST_SECONDS
REREAD_BUSY = 1.0  # seconds: the window slides
REREAD_IDLE = 5.0  # seconds: nothing can leave it
# The longest window; its start may lie within a second, and time passes until it is read.
_FILLED = timedelta(seconds=LONGEST_SECONDS + 5)
_TRIES, _PAUSE = 15, 0.2  # seconds: how often a query looks whether another reader has filled it


@dataclass(frozen=True, slots=True)
class Stats:
    """What to watch: the window of a customer, or (None) of the account."""

    account_id: int
    customer_id: int | None
    seconds: int
    push_every = 1.0  # seconds: its figures are of full seconds

    @property
    def topic(self) -> str:
        return topics.stats(self.account_id, self.customer_id)

    def told(self, redis: Redis, news: bytes, floor: int) -> None:
        """A window slides: it has to be read."""

    async def read(self, redis: Redis, floor: int = 0) -> live_stats.Window | None:
        """None while another reader fills it."""
        found = await self._read(redis, floor)
        if found is None and await fill(redis, self.account_id):
            found = await self._read(redis, floor)
        return found

    async def _read(self, redis: Redis, floor: int) -> live_stats.Window | None:
        return await live_stats.read(
            redis, self.account_id, self.customer_id, self.seconds, floor=floor
        )

    def rest(self, window: live_stats.Window) -> float:
        return REREAD_BUSY if window.sums.attempts or window.cps else REREAD_IDLE


async def stats(
    caller: callers.Caller, redis: Redis, customer_id: int | None, seconds: int
) -> live_stats.Window:
    """Of an existing customer, or (None) of the account. LIVE_UNAVAILABLE where Redis is away or
    silent, or is filled for longer than 3 s."""
    _require_length(seconds)
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    source = Stats(caller.account_id, customer_id, seconds)
    try:
        async with asyncio.timeout(live.ANSWER_WITHIN):
            for _ in range(_TRIES):
                if found := await source.read(redis):
                    return found
                await asyncio.sleep(_PAUSE)
    except (RedisError, OSError) as error:
        raise live.unavailable() from error
    raise live.unavailable()


async def require(caller: callers.Caller, customer_id: int | None, seconds: int) -> None:
    """Refuses as `live.require`, and BAD_WINDOW."""
    _require_length(seconds)
    await live.require(caller, customer_id)


def _require_length(seconds: int) -> None:
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise refusals.Refusal(
            "BAD_WINDOW",
            "Ask for {least} to {most} seconds, not {seconds}.",
            "windowSeconds",
            least=SHORTEST_SECONDS,
            most=LONGEST_SECONDS,
            seconds=seconds,
        )


async def fill(redis: Redis, account_id: int) -> bool:
    """Counts what the records hold; False: another reader does, or Redis lost it meanwhile."""
    begun = await live_stats.begin_fill(redis, account_id)
    if begun is None:
        return False
    # Only now the records are read: whatever is stored later is counted by whoever stored it.
    chunks = ended.since(account_id, begun.now - _FILLED, begun.now, live_stats.FILL_CHUNK)
    async with aclosing(chunks):
        async for attempts in chunks:
            if not await live_stats.fill(redis, account_id, begun, attempts, begun.now):
                return False
    return await live_stats.end_fill(redis, account_id, begun)
