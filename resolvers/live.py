"""The live picture as a caller may see it: read, and read once per change for all who watch it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import callers, refusals
from live import bus, topics
from live import channels as live_channels
from models import people as stored
from models.tables import Carrier
from resolvers import access
from resolvers.access import Capability

PUSH_EVERY = 0.1  # seconds: at most ten pushes a second
REREAD_BUSY = 1.0  # seconds: attempts per second sink without an event
REREAD_IDLE = 5.0  # seconds: heals what a lost message would leave wrong
RETRY = 0.5  # seconds between tries while Redis or the database is away

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Picture:
    """`by_carrier` has None for calls between carriers; `limit` None: there is none."""

    state: live_channels.Channels
    limit: int | None
    by_carrier: tuple[tuple[Carrier | None, int], ...]


async def channels(caller: callers.Caller, redis: Redis, customer_id: int | None) -> Picture:
    """LIVE_UNAVAILABLE where Redis is away."""
    await require(caller, customer_id)
    try:
        return await picture(redis, caller.account_id, customer_id)
    except (RedisError, OSError) as error:
        raise refusals.Refusal(
            "LIVE_UNAVAILABLE", "Live channels cannot be read just now; ask again."
        ) from error


async def require(caller: callers.Caller, customer_id: int | None) -> None:
    """Refuses who may not see this customer's, or (None) the whole account's, live channels."""
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    if customer_id is not None and await stored.customer(caller.account_id, customer_id) is None:
        raise refusals.Refusal(
            "NOT_FOUND", "There is no such Customer; check its id.", "customerId"
        )


async def picture(redis: Redis, account_id: int, customer_id: int | None) -> Picture:
    state = await live_channels.read(redis, account_id, customer_id)
    ids = [carrier for carrier, _ in state.by_carrier if carrier is not None]
    known = await stored.carriers(account_id, ids) if ids else {}
    customer = None if customer_id is None else await stored.customer(account_id, customer_id)
    by_carrier = tuple(
        (None if carrier is None else known.get(carrier), count)
        for carrier, count in state.by_carrier
    )
    return Picture(state, None if customer is None else customer.channel_limit, by_carrier)


@dataclass(slots=True, eq=False)
class _Feed:
    account_id: int
    customer_id: int | None
    watchers: int = 0
    picture: Picture | None = None
    closed: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Feeds:
    """What this process watches: one subscription, one task and one read per topic and change."""

    def __init__(self, redis: Redis, heard: bus.Bus) -> None:
        self._redis = redis
        self._bus = heard
        self._feeds: dict[tuple[int, int | None], _Feed] = {}

    async def watch(
        self, account_id: int, customer_id: int | None
    ) -> AsyncGenerator[Picture, None]:
        """The state at once, then every newer one; a slow watcher gets the latest only."""
        key = (account_id, customer_id)
        feed = self._feeds.setdefault(key, _Feed(*key))
        if feed.task is None:
            feed.task = asyncio.create_task(self._follow(feed))
        feed.watchers += 1
        seen = 0
        try:
            while not feed.closed:
                changed, latest = feed.changed, feed.picture
                if latest is not None and latest.state.sequence > seen:
                    seen = latest.state.sequence
                    yield latest
                else:
                    await changed.wait()
        finally:
            feed.watchers -= 1
            if feed.watchers == 0:
                del self._feeds[key]
                feed.task.cancel()

    async def _follow(self, feed: _Feed) -> None:
        topic = topics.channels(feed.account_id, feed.customer_id)
        async with self._bus.listen(topic, min_interval=PUSH_EVERY) as news:
            async for _ in news:
                news.max_interval = await self._refresh(feed)
        feed.closed = True
        feed.changed.set()

    async def _refresh(self, feed: _Feed) -> float:
        """Reads the state; how long it may stand unless there is news."""
        try:
            latest = await picture(self._redis, feed.account_id, feed.customer_id)
        except Exception as error:  # whatever is away comes back; the watchers stay
            _log.warning("live channels not read", error=repr(error))
            return RETRY
        if feed.picture is None or latest.state.sequence > feed.picture.state.sequence:
            feed.picture = latest
            feed.changed.set()
            feed.changed = asyncio.Event()
        return REREAD_BUSY if latest.state.cps else REREAD_IDLE
