"""The worker removes exactly the data that has expired."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.identity import address_proofs, session_lifetimes
from domain.messaging import messages
from domain.records.review import State
from models import db
from models.checklists import checklist_state
from models.identity import accounts, credentials, proofs
from models.messaging import outbox
from models.records import quarantine_store
from workers import jobs, main

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PURPOSE = address_proofs.Purpose.VERIFY_EMAIL


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
    started_at = expires_at - timedelta(days=14)
    id = await credentials.insert_session(
        account,
        credentials.NewSession(login_id=1, secret_hash=b"", expires_at=expires_at),
        started_at,
    )
    if ended_at is not None:
        await credentials.end_session(account, id, ended_at)
    return id


async def message(account: int, created_at: datetime, proof_id: int | None = None) -> int:
    kind = messages.Kind(PURPOSE)
    to = "person@acme.example"
    return await outbox.insert(
        account,
        outbox.NewMessage(kind=kind, recipient=to, language="en", proof_id=proof_id),
        created_at,
    )


async def test_a_session_is_removed_half_a_year_after_its_end(account: int, work: Any) -> None:
    oldest = NOW - session_lifetimes.RETENTION
    await session(account, oldest - SECOND)
    await session(account, NOW, ended_at=oldest - SECOND)
    names = {
        await session(account, oldest),
        await session(account, NOW, ended_at=oldest),
        await session(account, NOW + timedelta(days=1)),
    }
    await work()
    assert await ids("sessions") == names


async def test_messages_and_their_contents_are_removed_after_90_days(
    account: int, work: Any
) -> None:
    old, recent = NOW - messages.RETENTION - timedelta(days=3), NOW - messages.RETENTION
    for at in (old, recent):
        await message(account, at, await proofs.insert(account, 1, PURPOSE, "a", at))
    await work()
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT created_at FROM messages")
        carried = await conn.fetch("SELECT created_at FROM proofs")
    assert [row["created_at"] for row in rows] == [recent]
    assert [row["created_at"] for row in carried] == [recent]


async def test_records_in_quarantine_are_removed_after_the_review_period(
    account: int, work: Any
) -> None:
    """Decided ones 180 days after they were last received, undecided ones 30 days later."""
    half_a_year, day = timedelta(days=180), timedelta(days=1)
    ages = {
        State.DISCARDED: (half_a_year, half_a_year + SECOND),
        State.OPEN: (half_a_year + 30 * day, half_a_year + 30 * day + SECOND),
    }
    for state, (recent, old) in ages.items():
        for age in (recent, old):
            payload = f"{state} {age}".encode()
            record = quarantine_store.RefusedRecord(
                payload, refusals.Refusal("BAD_TIME", "No time.")
            )
            await quarantine_store.add(account, [record], NOW - age)
            async with db.connection() as conn:
                await conn.execute(
                    "UPDATE quarantine SET state = $1 WHERE payload = $2", state, payload.decode()
                )
    again = quarantine_store.RefusedRecord(b"again", refusals.Refusal("BAD_TIME", "No time."))
    for age in (2 * half_a_year, half_a_year):
        await quarantine_store.add(account, [again], NOW - age)
    await work()
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT payload FROM quarantine")
    assert {row["payload"] for row in rows} == {
        "again",
        *(f"{state} {recent}" for state, (recent, _) in ages.items()),
    }


async def test_a_message_whose_contents_were_removed_earlier_is_not_sent(
    account: int,
) -> None:
    await message(account, NOW, proof_id=404)
    await message(account, NOW)
    claimed = await outbox.claim([messages.Channel.EMAIL], NOW, SECOND, 10)
    assert [claim.is_valid for claim in claimed] == [False, True]


async def test_an_expired_snooze_is_removed(account: int, work: Any) -> None:
    for code, until in (("OVER", NOW - SECOND), ("ON", NOW + SECOND)):
        await checklist_state.snooze(account, 1, 1, code, until)
    await work()
    assert await checklist_state.active_snoozes(account, [1], 1, NOW - 2 * SECOND) == {
        1: {"ON": NOW + SECOND}
    }


async def test_rows_of_all_accounts_are_removed_in_batches(account: int, work: Any) -> None:
    other = (await accounts.insert("Another Voice", NOW)).id
    async with db.connection() as conn:
        for of, count in ((account, 2_500), (other, 1)):
            await conn.execute(
                "INSERT INTO sessions (account_id, login_id, secret_hash, created_at, expires_at)"
                " SELECT $1, 1, '', $2, $2 FROM generate_series(1, $3)",
                of,
                NOW - session_lifetimes.RETENTION - SECOND,
                count,
            )
    session_id = await session(account, NOW)
    await work()
    assert await ids("sessions") == {session_id}


def test_the_worker_removes_old_rows_every_hour() -> None:
    [job] = [job for job in main.SCHEDULE if inspect.unwrap(job.coroutine) is jobs.remove_old]
    assert (job.hour, job.minute) == (None, {37})
