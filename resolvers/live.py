"""Live channels as a caller may see them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import callers, refusals
from live import channels as live_channels
from live import topics
from models import customers
from models.tables import Carrier
from resolvers import access, captions
from resolvers.access import Capability

REREAD_BUSY = 1.0  # seconds: attempts per second sink without an event
REREAD_IDLE = 5.0  # seconds: heals what a lost message would leave wrong
ANSWER_WITHIN = 4.0  # seconds a query waits for Redis
_AT_ONCE = 20  # states of one query read from Redis


@dataclass(frozen=True, slots=True)
class Picture:
    """`by_carrier` has None for calls between carriers; `limit` None: there is none."""

    state: live_channels.Channels
    limit: int | None
    by_carrier: tuple[tuple[Carrier | None, int], ...]

    @property
    def sequence(self) -> int:
        return self.state.sequence


@dataclass(frozen=True, slots=True)
class Channels:
    """What to watch: the channels of a customer, or (None) of the account."""

    account_id: int
    customer_id: int | None
    captioned: captions.OfAccount = field(compare=False, repr=False)
    push_every = 0.1  # seconds: at most ten pushes a second

    @property
    def topic(self) -> str:
        return topics.channels(self.account_id, self.customer_id)

    def told(self, redis: Redis, news: bytes, floor: int) -> Picture | None:
        """None too where a Redis that was set back told it, or captions have to be asked for."""
        state = live_channels.told(redis, news)
        if state is None or state.sequence <= floor:
            return None
        known = self.captioned.suffice(self.customer_id, state.carriers)
        return self._picture(state) if known else None

    async def read(self, redis: Redis, floor: int = 0) -> Picture:
        state = await live_channels.read(redis, self.account_id, self.customer_id, floor=floor)
        return await self.captioned_picture(state)

    async def captioned_picture(self, state: live_channels.Channels) -> Picture:
        if not self.captioned.suffice(self.customer_id, state.carriers):
            await self.captioned.ask(self.customer_id, state.carriers)
        return self._picture(state)

    def _picture(self, state: live_channels.Channels) -> Picture:
        carrier = self.captioned.carrier
        by_carrier = tuple([(carrier(id), count) for id, count in state.by_carrier])
        return Picture(state, self.captioned.limit(self.customer_id), by_carrier)

    def rest(self, picture: Picture) -> float:
        return REREAD_BUSY if picture.state.cps else REREAD_IDLE


async def channels(
    caller: callers.Caller, redis: Redis, customer_ids: Sequence[int | None]
) -> list[Picture]:
    """Of each of these existing customers, or (None) of the account, in this order; two statements
    at most. LIVE_UNAVAILABLE if Redis is unavailable or does not answer in time."""
    for customer_id in customer_ids:
        access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    by = captions.OfAccount(caller.account_id)
    sources = [Channels(caller.account_id, customer_id, by) for customer_id in customer_ids]
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            places = asyncio.Semaphore(_AT_ONCE)
            states = await asyncio.gather(*(_state(redis, source, places) for source in sources))
            return [
                await source.captioned_picture(state)
                for source, state in zip(sources, states, strict=True)
            ]
    except (RedisError, OSError) as error:
        raise unavailable() from error


async def _state(
    redis: Redis, source: Channels, places: asyncio.Semaphore
) -> live_channels.Channels:
    async with places:
        state = await live_channels.read(redis, source.account_id, source.customer_id)
    source.captioned.suffice(source.customer_id, state.carriers)  # asked for with the others'
    return state


async def require(caller: callers.Caller, customer_id: int | None) -> None:
    """Refuses who may not see this customer's, or (None) the whole account's, live picture."""
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    if customer_id is not None and await customers.get(caller.account_id, customer_id) is None:
        raise refusals.no_such("Customer", "customerId")


def unavailable() -> refusals.Refusal:
    return refusals.Refusal(
        "LIVE_UNAVAILABLE", "The live picture cannot be read just now; ask again."
    )
