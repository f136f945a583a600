"""Calls that start and end, applied directly to the live state."""

from datetime import datetime, timedelta

from redis.asyncio import Redis

from domain.records import calls
from live import channels
from runtime import clock
from schema.engine import base
from tests.support.api.callers import Carrier


def number(id: str) -> int:
    split = base.split_id(id)
    assert split is not None
    return int(split[2][0])


class Calls:
    """A switch of the account, applied directly to the live state."""

    def __init__(self, redis: Redis, carrier: Carrier, customer: str, over: int = 0) -> None:
        self.redis, self.carrier = redis, carrier
        self.customer, self.over = number(customer), over

    async def say(self, type: calls.EventType, *ids: int) -> None:
        now = clock.now()
        await channels.apply(
            self.redis, self.carrier.account_id, [self._event(type, id, now) for id in ids], now
        )

    async def start(self, *ids: int) -> None:
        await self.say(calls.EventType.START, *ids)

    async def end(self, *ids: int) -> None:
        await self.say(calls.EventType.END, *ids)

    def _event(self, type: calls.EventType, id: int, now: datetime) -> calls.LiveEvent:
        setup_at = now - timedelta(seconds=1)
        return calls.LiveEvent(
            type, "edge-1", f"call-{id}", 0, self.customer, self.over, now, setup_at, True, None, 60
        )
