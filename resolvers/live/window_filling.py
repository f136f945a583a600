"""The sliding window as a caller can see it, filled from the records if Redis has lost it."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import refusals
from domain.identity import callers
from live import channels, recovery, sliding_window, topics
from models.directory import switch_reports
from models.records import ended_calls
from resolvers import access
from resolvers.access import Capability
from resolvers.live import last_states, live_channels

SHORTEST_SECONDS = 10
LONGEST_SECONDS = sliding_window.MAX_SECONDS
REREAD_BUSY_SECONDS = 1.0  # the window slides
REREAD_IDLE_SECONDS = 5.0  # the window is empty
# The longest window; its start may lie within a second, and time passes until it is read.
_FILLED = timedelta(seconds=LONGEST_SECONDS + 5)
_TRIES, _PAUSE = 15, 0.2  # seconds; to wait until another reader has filled it


@dataclass(frozen=True, slots=True)
class Stats:
    """A source to watch: the window of a customer, or (None) of the account."""

    account_id: int
    customer_id: int | None
    seconds: int
    last: last_states.LastStates = field(
        default_factory=last_states.LastStates, compare=False, repr=False
    )
    push_every = 1.0  # the window ends at a full second
    outdated_by = None

    def outdate(self) -> None:
        """Does nothing, because the window has no captions."""

    @property
    def topic(self) -> str:
        return topics.stats(self.account_id, self.customer_id)

    def decode(self, redis: Redis, message: bytes, floor: int) -> None:
        """None: the window slides, so it has to be read."""

    async def read(self, redis: Redis, floor: int = 0) -> sliding_window.Window | None:
        """The window; the last complete one if Redis has none, for example while it is filled.
        None if this process has not shown one."""
        return self.select_state(await self.read_window(redis, floor))

    def select_state(self, window: sliding_window.Window | None) -> sliding_window.Window | None:
        """The window if it is complete, otherwise the last complete one."""
        return self.last.select_state(self, window)

    async def read_window(self, redis: Redis, floor: int = 0) -> sliding_window.Window | None:
        """None while another reader fills it."""
        window = await self._read(redis, floor)
        if window is None and await fill(redis, self.account_id):
            window = await self._read(redis, floor)
        if window is not None and window.completeness is channels.Completeness.LOST:
            await recovery.recover(redis, self.account_id, switch_reports, window.as_of)
            window = await self._read(redis, floor)
        return window

    async def _read(self, redis: Redis, floor: int) -> sliding_window.Window | None:
        return await sliding_window.read(
            redis, self.account_id, self.customer_id, self.seconds, floor=floor
        )

    def rest(self, window: sliding_window.Window) -> float:
        return REREAD_BUSY_SECONDS if window.sums.attempts or window.cps else REREAD_IDLE_SECONDS


async def stats(
    caller: callers.Caller,
    redis: Redis,
    customer_id: int | None,
    seconds: int,
    last: last_states.LastStates,
) -> sliding_window.Window:
    """The window of an existing customer, or (None) of the account.

    If Redis has no complete window, the last one that this process has shown. Without one
    refuses LIVE_INCOMPLETE, or LIVE_UNAVAILABLE if Redis does not answer in time or filling
    takes more than 3 s.
    """
    _require_length(seconds)
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    source = Stats(caller.account_id, customer_id, seconds, last)
    window, refusal = None, live_channels.unavailable()
    with suppress(RedisError, OSError):
        async with asyncio.timeout(live_channels.TIMEOUT_SECONDS):
            for _ in range(_TRIES):
                if window := await source.read_window(redis):
                    refusal = live_channels.incomplete()
                    break
                await asyncio.sleep(_PAUSE)
    shown_window = source.select_state(window)
    if shown_window is None:
        raise refusal
    return shown_window


async def require(caller: callers.Caller, customer_id: int | None, seconds: int) -> None:
    """Refuses as `live.require`, and BAD_WINDOW."""
    _require_length(seconds)
    await live_channels.require(caller, customer_id)


def _require_length(seconds: int) -> None:
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise refusals.Refusal(
            "BAD_WINDOW",
            "The window has {least} to {most} seconds, not {seconds}. Set another length.",
            "windowSeconds",
            least=SHORTEST_SECONDS,
            most=LONGEST_SECONDS,
            seconds=seconds,
        )


async def fill(redis: Redis, account_id: int) -> bool:
    """Fills the window from the records. False if another reader does, or Redis lost it
    meanwhile."""
    token = await sliding_window.begin_fill(redis, account_id)
    if token is None:
        return False
    # The records are read only now. The process that stores a later record counts it itself.
    chunks = ended_calls.read_since(
        account_id, token.now - _FILLED, token.now, sliding_window.MAX_FILL_ATTEMPTS
    )
    async with aclosing(chunks):
        async for attempts in chunks:
            if not await sliding_window.fill(redis, account_id, token, attempts, token.now):
                return False
    return await sliding_window.end_fill(redis, account_id, token)
