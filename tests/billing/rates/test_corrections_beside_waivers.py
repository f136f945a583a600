"""A call is corrected while staff waive or unwaive it; the later change sees the earlier one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.identity import callers
from models.records import unrated_calls
from resolvers.records import unrated_calls as resolve
from tests.support import outside_connection
from tests.support.records import sample_records
from tests.support.records.posting import Switch

DAY = timedelta(days=1)
NOT_YET = "LOCK TABLE audit_log IN EXCLUSIVE MODE"  # the last that staff write


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with outside_connection.connection(database) as connection:
        yield connection


def owner(switch: Switch) -> callers.Caller:
    return callers.Caller(switch.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


def calls(switch: Switch) -> unrated_calls.Filter:
    return unrated_calls.Filter(switch.customer_id, None, switch.now - DAY, switch.now)


async def rated_by() -> list[tuple[Any, ...]]:
    return await sample_records.rows("SELECT sip_reason, rated_by, charge FROM call_records")


async def test_a_correction_keeps_a_concurrent_waiver(
    switch: Switch, redis: Redis, outside: Any
) -> None:
    await switch.send(switch.end())
    waive = resolve.waive(owner(switch), calls(switch), 1, switch.now)
    correction = switch.end(sip_reason="Fine", correction=True)
    await outside_connection.held_up(outside, NOT_YET, waive, switch.send(correction))
    assert await rated_by() == [("Fine", "WAIVED", 0)]


async def test_a_correction_does_not_renew_a_waiver_that_is_being_removed(
    switch: Switch, redis: Redis, outside: Any
) -> None:
    await switch.send(switch.end())
    await resolve.waive(owner(switch), calls(switch), 1, switch.now)
    unwaive = resolve.unwaive(owner(switch), calls(switch), 1, switch.now)
    correction = switch.end(sip_reason="Fine", correction=True)
    await outside_connection.held_up(outside, NOT_YET, unwaive, switch.send(correction))
    assert await rated_by() == [("Fine", None, None)]
