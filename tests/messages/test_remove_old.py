"""What nobody can use any more is removed by the worker, and nothing else is."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import messages, proofs, refusals, sessions
from domain.review import State
from models import accounts, checklists, credentials, db, outbox, quarantine
from models import proofs as stored_proofs
from workers import jobs, main

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PURPOSE = proofs.Purpose.VERIFY_EMAIL


@pytest.fixture
async def account(database: str) -> int:
    return (await accounts.insert("Example Voice", NOW)).id


@pytest.fixture
async def work(database: str, redis: Redis) -> Callable[[], Awaitable[None]]:
    tools = jobs.Tools(redis, lambda: NOW, records_days=2, partitions_ahead_days=3)
    return lambda: jobs.remove_old({"tools": tools})


async def ids(table: str) -> set[int]:
    async with db.connection() as conn:
        return {row["id"] for row in await conn.fetch(f"SELECT id FROM {table}")}


async def session(account: int, expires_at: datetime, ended_at: datetime | None = None) -> int:
    begun = expires_at - timedelta(days=14)
    id = await credentials.insert_session(account, 1, b"", begun, expires_at)
    if ended_at is not None:
        await credentials.end_session(account, id, ended_at)
    return id


async def message(account: int, created_at: datetime, proof_id: int | None = None) -> int:
    kind = messages.Kind(PURPOSE)
    to = "person@acme.example"
    return await outbox.insert(account, kind, to, "en", created_at, proof_id=proof_id)


async def test_a_session_is_removed_half_a_year_after_its_end(account: int, work: Any) -> None:
    kept = NOW - sessions.KEPT
    await session(account, kept - SECOND)
    await session(account, NOW, ended_at=kept - SECOND)
    left = {
        await session(account, kept),
        await session(account, NOW, ended_at=kept),
        await session(account, NOW + timedelta(days=1)),
    }
    await work()
    assert await ids("sessions") == left


async def test_messages_and_what_they_carry_are_removed_after_90_days(
    account: int, work: Any
) -> None:
    old, kept = NOW - messages.KEPT - timedelta(days=3), NOW - messages.KEPT
    for at in (old, kept):
        await message(account, at, await stored_proofs.insert(account, 1, PURPOSE, "a", at))
    await work()
    async with db.connection() as conn:
        left = await conn.fetch("SELECT created_at FROM messages")
        carried = await conn.fetch("SELECT created_at FROM proofs")
    assert [row["created_at"] for row in left] == [kept]
    assert [row["created_at"] for row in carried] == [kept]


async def test_records_in_quarantine_are_removed_after_the_days_of_review(
    account: int, work: Any
) -> None:
    """Decided ones 180 days after they were last received, undecided ones 30 days later."""
    half_a_year, day = timedelta(days=180), timedelta(days=1)
    ages = {
        State.DISCARDED: (half_a_year, half_a_year + SECOND),
        State.OPEN: (half_a_year + 30 * day, half_a_year + 30 * day + SECOND),
    }
    for state, (kept, old) in ages.items():
        for age in (kept, old):
            payload = f"{state} {age}".encode()
            refused = quarantine.Refused(payload, refusals.Refusal("BAD_TIME", "No time."))
            await quarantine.add(account, [refused], NOW - age)
            async with db.connection() as conn:
                await conn.execute(
                    "UPDATE quarantine SET state = $1 WHERE payload = $2", state, payload.decode()
                )
    again = quarantine.Refused(b"again", refusals.Refusal("BAD_TIME", "No time."))
    for age in (2 * half_a_year, half_a_year):
        await quarantine.add(account, [again], NOW - age)
    await work()
    async with db.connection() as conn:
        left = await conn.fetch("SELECT payload FROM quarantine")
    assert {row["payload"] for row in left} == {
        "again",
        *(f"{state} {kept}" for state, (kept, _) in ages.items()),
    }


async def test_what_a_message_carried_may_be_gone_before_it_and_nothing_is_sent_then(
    account: int,
) -> None:
    await message(account, NOW, proof_id=404)
    await message(account, NOW)
    claimed = await outbox.claim([messages.Channel.EMAIL], NOW, SECOND, 10)
    assert [one.is_good for one in claimed] == [False, True]


async def test_a_snooze_that_is_over_is_removed(account: int, work: Any) -> None:
    for code, until in (("OVER", NOW - SECOND), ("ON", NOW + SECOND)):
        await checklists.snooze(account, 1, 1, code, until)
    await work()
    assert await checklists.snoozed(account, [1], 1, NOW - 2 * SECOND) == {1: {"ON": NOW + SECOND}}


async def test_more_than_a_batch_goes_in_batches_and_of_every_account(
    account: int, work: Any
) -> None:
    other = (await accounts.insert("Another Voice", NOW)).id
    async with db.connection() as conn:
        for of, count in ((account, 2_500), (other, 1)):
            await conn.execute(
                "INSERT INTO sessions (account_id, login_id, secret_hash, created_at, expires_at)"
                " SELECT $1, 1, '', $2, $2 FROM generate_series(1, $3)",
                of,
                NOW - sessions.KEPT - SECOND,
                count,
            )
    kept = await session(account, NOW)
    await work()
    assert await ids("sessions") == {kept}


def test_the_worker_does_it_every_hour() -> None:
    [job] = [job for job in main.SCHEDULE if job.coroutine is jobs.remove_old]
    assert (job.hour, job.minute) == (None, {37})
