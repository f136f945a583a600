"""A sample of all active calls of an account, for their history."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from live import scripts
from live.channels import Completeness

_decode = msgspec.msgpack.Decoder(tuple[int, bool, list[tuple[int, list[tuple[int, int]]]]]).decode


@dataclass(frozen=True, slots=True)
class Sample:
    """The active calls of an account and its customers.

    - `counts`: (customer, [(carrier, calls), …]) of customers with calls. The account comes first,
      as customer 0. Carrier 0 means "no carrier".
    - `is_current`: every switch with calls has just sent a beat, and none of its events is missing.
    """

    completeness: Completeness
    is_current: bool
    counts: Sequence[tuple[int, Sequence[tuple[int, int]]]]

    @property
    def is_certain(self) -> bool:
        return self.completeness is Completeness.COMPLETE and self.is_current


async def take(redis: Redis, account_id: int) -> Sample:
    """Reads all calls in one step. Raises `redis.exceptions.RedisError` if Redis is unavailable."""
    completeness, is_current, counts = _decode(await scripts.SAMPLE.run(redis, account_id))
    return Sample(Completeness(completeness), is_current, counts)
