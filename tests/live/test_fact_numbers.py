"""The numbers of facts despite rollbacks and kills."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import asyncpg
import pytest

from domain.facts import Kind
from models import db, fact_log, faults

ACCOUNT = 1
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
CUSTOMERS = (1, 2, 3)
FATES = ("committed", "rolled back", "killed")


class ChangedMindError(Exception):
    pass


LOST: tuple[type[Exception], ...] = (ChangedMindError, *faults.UNAVAILABLE_ERRORS)


async def attempt(customer: int | None, subject: int, fate: str, seconds: float) -> None:
    """A transaction that inserts a fact, lasts for a while, and ends that way."""
    async with db.transaction() as conn:
        kind = Kind.INVOICE_ISSUED
        await fact_log.insert(
            conn,
            ACCOUNT,
            fact_log.NewFact(kind=kind, customer_id=customer, subject_id=subject),
            NOW,
        )
        await asyncio.sleep(seconds)
        if fate == "rolled back":
            raise ChangedMindError
        if fate == "killed":
            await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def write(chance: Random, subjects: "itertools.count[int]") -> list[tuple[int | None, int]]:
    """Some attempts after one another; the customer and subject of each that was committed."""
    committed = []
    for _ in range(8):
        customer, subject = chance.choice((*CUSTOMERS, None)), next(subjects)
        [fate] = chance.choices(FATES, (4, 2, 1))
        try:
            await attempt(customer, subject, fate, chance.random() * 0.005)
        except LOST:
            assert fate != "committed"
        else:
            committed.append((customer, subject))
    return committed


async def read(customer: int | None, limit: int, end: asyncio.Event) -> list[int | None]:
    """Follows a stream during writes; the subjects, with each number checked as it arrives."""
    subjects: list[int | None] = []
    while True:
        over = end.is_set()
        page = await fact_log.read_after(
            ACCOUNT, customer, Kind.INVOICE_ISSUED, len(subjects), limit
        )
        begin = len(subjects) + 1
        assert [fact.number for fact in page] == list(range(begin, begin + len(page)))
        subjects += [fact.subject_id for fact in page]
        if over and not page:
            return subjects
        await asyncio.sleep(0)


def of(customer: int, subjects: Sequence[int | None], who: dict[int | None, int | None]) -> object:
    return [subject for subject in subjects if who[subject] == customer]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("seed", range(8))
async def test_numbers_have_no_gap_and_appear_in_order_despite_rollbacks_and_kills(
    seed: int,
) -> None:
    chance, subjects, end = Random(seed), itertools.count(1), asyncio.Event()
    readers = [
        asyncio.create_task(read(customer, chance.randint(1, 5), end))
        for customer in (None, None, *CUSTOMERS)
    ]
    writes = await asyncio.gather(*(write(Random(chance.random()), subjects) for _ in range(4)))
    end.set()
    whole, same, *each = await asyncio.gather(*readers)
    who: dict[int | None, int | None] = {
        subject: customer for facts_of_writer in writes for customer, subject in facts_of_writer
    }
    assert whole == same
    assert sorted(whole, key=lambda subject: subject or 0) == sorted(who, key=lambda s: s or 0)
    for customer, stream in zip(CUSTOMERS, each, strict=True):
        assert stream == of(customer, whole, who)
        assert await fact_log.last_number(ACCOUNT, customer, Kind.INVOICE_ISSUED) == len(stream)


@pytest.mark.usefixtures("database")
async def test_each_kind_and_account_has_its_own_numbers() -> None:
    async with db.transaction() as conn:
        numbers = [
            await fact_log.insert(conn, account, fact_log.NewFact(kind=kind, customer_id=1), NOW)
            for account in (1, 2)
            for kind in Kind
            for _ in range(2)
        ]
    assert numbers == [1, 2] * 2 * len(Kind)
    assert await fact_log.last_number(3, None, Kind.INVOICE_ISSUED) == 0


@pytest.mark.usefixtures("database")
async def test_a_fact_without_a_customer_is_only_in_the_stream_of_the_account() -> None:
    async with db.transaction() as conn:
        await fact_log.insert(
            conn,
            ACCOUNT,
            fact_log.NewFact(kind=Kind.CHECKLIST_CHANGED, customer_id=None, detail={"a": [1]}),
            NOW,
        )
    [fact] = await fact_log.read_after(ACCOUNT, None, Kind.CHECKLIST_CHANGED, 0, 10)
    assert (fact.number, fact.at, fact.customer_id, fact.detail) == (1, NOW, None, {"a": [1]})


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("change", ["UPDATE facts SET number = 7", "DELETE FROM facts"])
async def test_the_database_refuses_changes_to_a_fact(change: str) -> None:
    async with db.transaction() as conn:
        await fact_log.insert(
            conn, ACCOUNT, fact_log.NewFact(kind=Kind.INVOICE_ISSUED, customer_id=1), NOW
        )
    async with db.connection() as conn:
        with pytest.raises(asyncpg.RaiseError, match="kept as it is"):
            await conn.execute(change)
