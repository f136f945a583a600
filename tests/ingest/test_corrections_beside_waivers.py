"""A call is corrected while staff waive it, or undo that: whichever comes last knows the other."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import beside
import made
import pytest
from posting import Switch
from redis.asyncio import Redis

from domain import callers
from models import unrated
from resolvers import unrated as resolve

DAY = timedelta(days=1)
NOT_YET = "LOCK TABLE audit_log IN EXCLUSIVE MODE"  # the last that staff write


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with beside.connection(database) as connection:
        yield connection


def owner(switch: Switch) -> callers.Caller:
    return callers.Caller(switch.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


def calls(switch: Switch) -> unrated.Filter:
    return unrated.Filter(switch.customer_id, None, switch.now - DAY, switch.now)


async def rated_by() -> list[tuple[Any, ...]]:
    return await made.rows("SELECT sip_reason, rated_by, charge FROM call_records")


async def test_a_waiver_under_way_is_kept_by_a_correction(
    switch: Switch, redis: Redis, outside: Any
) -> None:
    await switch.send(switch.end())
    waive = resolve.waive(owner(switch), redis, calls(switch), 1, switch.now)
    correction = switch.end(sip_reason="Fine", correction=True)
    await beside.held_up(outside, NOT_YET, waive, switch.send(correction))
    assert await rated_by() == [("Fine", "WAIVED", 0)]


async def test_a_correction_does_not_waive_again_what_is_being_unwaived(
    switch: Switch, redis: Redis, outside: Any
) -> None:
    await switch.send(switch.end())
    await resolve.waive(owner(switch), redis, calls(switch), 1, switch.now)
    unwaive = resolve.unwaive(owner(switch), redis, calls(switch), 1, switch.now)
    correction = switch.end(sip_reason="Fine", correction=True)
    await beside.held_up(outside, NOT_YET, unwaive, switch.send(correction))
    assert await rated_by() == [("Fine", None, None)]
