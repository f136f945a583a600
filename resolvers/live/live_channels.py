"""Live channels as a caller may see them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import refusals
from domain.identity import callers
from live import channels as live_channels
from live import recovery, topics
from models.directory import customers, switch_reports
from models.tables import Carrier
from resolvers import access
from resolvers.access import Capability
from resolvers.live import captions, last_states

REREAD_BUSY_SECONDS = 1.0  # attempts per second decrease without an event
REREAD_IDLE_SECONDS = 5.0  # corrects the state after a lost message
TIMEOUT_SECONDS = 4.0  # of a query to Redis
_MAX_CONCURRENT = 20  # reads of one query from Redis


@dataclass(frozen=True, slots=True)
class CaptionedState:
    """A live state with its captions. `by_carrier` has None for calls between carriers; `limit`
    None: no limit."""

    state: live_channels.Channels
    limit: int | None
    by_carrier: tuple[tuple[Carrier | None, int], ...]

    @property
    def sequence(self) -> int:
        return self.state.sequence

    @property
    def complete(self) -> bool:
        return self.state.complete

    def as_incomplete(self, sequence: int) -> "CaptionedState":
        return replace(self, state=self.state.as_incomplete(sequence))


@dataclass(frozen=True, slots=True)
class Channels:
    """A source to watch: the channels of a customer, or (None) of the account."""

    account_id: int
    customer_id: int | None
    caption_cache: captions.OfAccount = field(compare=False, repr=False)
    last: last_states.LastStates = field(
        default_factory=last_states.LastStates, compare=False, repr=False
    )
    push_every = 0.1  # at most ten pushes a second

    @property
    def topic(self) -> str:
        return topics.channels(self.account_id, self.customer_id)

    @property
    def outdated_by(self) -> str | None:
        return topics.captions(self.account_id)

    def outdate(self) -> None:
        self.caption_cache.expire()

    def decode(self, redis: Redis, message: bytes, floor: int) -> CaptionedState | None:
        """The state of the message. None also if Redis was set back, captions have to be read,
        or the state is not complete."""
        state = live_channels.decode_published(redis, message)
        if state is None or state.sequence <= floor or not state.complete:
            return None
        self.select_state(state)
        is_fresh = self.caption_cache.is_fresh(self.customer_id, state.carriers)
        return self._with_captions(state) if is_fresh else None

    async def read(self, redis: Redis, floor: int = 0) -> CaptionedState | None:
        """The state; the last complete one if Redis has none. None if this process has not
        shown one."""
        state = self.select_state(await self.read_state(redis, floor))
        return None if state is None else await self.add_captions(state)

    async def read_state(self, redis: Redis, floor: int = 0) -> live_channels.Channels:
        return await recovery.read(redis, self.account_id, self.customer_id, switch_reports, floor)

    def select_state(self, state: live_channels.Channels | None) -> live_channels.Channels | None:
        """The state if it is complete, otherwise the last complete one."""
        return self.last.select_state((self.account_id, self.customer_id), state)

    async def add_captions(self, state: live_channels.Channels) -> CaptionedState:
        if not self.caption_cache.is_fresh(self.customer_id, state.carriers):
            await self.caption_cache.ask(self.customer_id, state.carriers)
        return self._with_captions(state)

    def _with_captions(self, state: live_channels.Channels) -> CaptionedState:
        carrier = self.caption_cache.carrier
        by_carrier = tuple([(carrier(id), count) for id, count in state.by_carrier])
        return CaptionedState(state, self.caption_cache.limit(self.customer_id), by_carrier)

    def rest(self, captioned: CaptionedState) -> float:
        return REREAD_BUSY_SECONDS if captioned.state.cps else REREAD_IDLE_SECONDS


async def channels(
    caller: callers.Caller,
    redis: Redis,
    customer_ids: Sequence[int | None],
    last: last_states.LastStates,
) -> list[CaptionedState | refusals.Refusal]:
    """The states of these existing customers, or (None) of the account, in this order, in at
    most two statements.

    If Redis has no complete state, the last one that this process has shown. Without one
    refuses LIVE_INCOMPLETE, or LIVE_UNAVAILABLE if Redis does not answer in time.
    """
    for customer_id in customer_ids:
        access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    by = captions.OfAccount(caller.account_id)
    sources = [Channels(caller.account_id, customer_id, by, last) for customer_id in customer_ids]
    refusal = incomplete()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            places = asyncio.Semaphore(_MAX_CONCURRENT)
            states = await asyncio.gather(*(_state(redis, source, places) for source in sources))
    except (RedisError, OSError):
        refusal, states = unavailable(), [source.select_state(None) for source in sources]
    for source, state in zip(sources, states, strict=True):
        if state is not None:  # captions are read together with the others
            source.caption_cache.is_fresh(source.customer_id, state.carriers)
    return [
        refusal if state is None else await source.add_captions(state)
        for source, state in zip(sources, states, strict=True)
    ]


async def _state(
    redis: Redis, source: Channels, places: asyncio.Semaphore
) -> live_channels.Channels | None:
    async with places:
        return source.select_state(await source.read_state(redis))


async def require(caller: callers.Caller, customer_id: int | None) -> None:
    """Refuses callers that cannot access the live state of this customer, or (None) of the
    account."""
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    if customer_id is not None and await customers.get(caller.account_id, customer_id) is None:
        raise refusals.not_found("Customer", "customerId")


def unavailable() -> refusals.Refusal:
    return refusals.Refusal(
        "LIVE_UNAVAILABLE", "The live state is temporarily unavailable. Try again."
    )


def incomplete() -> refusals.Refusal:
    return refusals.Refusal(
        "LIVE_INCOMPLETE",
        "The live state was lost and not every switch has reported since. Try again in a few"
        " seconds.",
    )
