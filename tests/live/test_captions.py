"""Limits and carriers' names beside the live picture: asked for once for all who watch."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from models import accounts, carriers, customers, db, faults
from resolvers import captions
from runtime import clock

pytestmark = pytest.mark.usefixtures("database")
CUSTOMERS = 300
BRIEFLY = 1.0  # seconds that captions are known here, where it matters


@pytest.fixture
async def account(database: str) -> int:
    made = await accounts.insert("Example Voice", clock.now())
    return int(made.id)


@pytest.fixture
async def ids(account: int) -> tuple[list[int], int]:
    """Customers, of which the first has a limit of 30, and a carrier."""
    now = clock.now()
    made = [
        await customers.insert(
            account,
            reference=f"c{number}",
            name="Acme",
            currency="EUR",
            channel_limit=None if number else 30,
            debit_limit=Decimal(0),
            tax_percent=Decimal(0),
            now=now,
        )
        for number in range(CUSTOMERS)
    ]
    carrier = await carriers.insert(
        account, reference="k", name="Carrier", currency="EUR", sip_uri=None, now=now
    )
    return [int(one.id) for one in made], int(carrier.id)


async def asked(by: Coroutine[Any, Any, None]) -> tuple[list[list[int]], list[list[int]]]:
    """The ids that each statement asks for meanwhile: those for limits, those for carriers."""
    said: list[Any] = []
    async with db.transaction() as conn:  # in one, so that all is asked on its connection
        with conn.query_logger(said.append):
            await by
    limits = [list(one.args[1]) for one in said if "channel_limit" in one.query]
    named = [list(one.args[1:]) for one in said if 'FROM "carriers"' in one.query]
    return limits, named


async def test_all_who_watch_an_account_ask_together(
    account: int, ids: tuple[list[int], int]
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account, known_for=BRIEFLY)

    async def look() -> None:
        async def of(customer: int) -> None:
            if not known.suffice(customer, [carrier, None]):
                await known.ask(customer, [carrier, None])

        await asyncio.gather(*map(of, everyone))

    limits, named = await asked(look())
    # Of the first, then of all who came while it asked.
    assert [sorted(one) for one in limits] == [everyone[:1], everyone[1:]]
    assert named == [[carrier]]
    assert known.limit(everyone[0]) == 30
    assert known.limit(everyone[1]) is None
    shown = known.carrier(carrier)
    assert shown is not None
    assert shown.name == "Carrier"
    assert await asked(look()) == ([], [])
    await asyncio.sleep(BRIEFLY)
    limits, named = await asked(look())
    assert [sorted(one) for one in limits] == [everyone]
    assert named == [[carrier]]


async def test_a_change_is_shown_once_the_time_is_over_and_not_before(
    account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account, known_for=BRIEFLY)
    await known.ask(customer, [carrier])
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET channel_limit = 31 WHERE id = $1", customer)
    assert known.suffice(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    assert not known.suffice(customer, [carrier])
    assert known.limit(customer) == 30
    await known.ask(customer, [carrier])
    assert known.limit(customer) == 31


async def test_who_is_not_watched_any_more_is_not_asked_for_again(
    account: int, ids: tuple[list[int], int]
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account, known_for=BRIEFLY)
    for customer in everyone[:20]:
        await known.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    await known.ask(everyone[0], [carrier])  # all who were seen since the last time
    await asyncio.sleep(BRIEFLY)
    assert await asked(known.ask(everyone[0], [carrier])) == ([everyone[:1]], [[carrier]])
    assert known.limit(everyone[0]) == 30
    assert not known.suffice(everyone[1], [carrier])
    await known.ask(everyone[1], [carrier])
    assert known.suffice(everyone[1], [carrier])


async def test_while_the_database_hangs_what_is_known_is_shown_and_who_gives_up_keeps_nobody(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    (customer, other, *_), carrier = ids
    known = captions.OfAccount(account, known_for=BRIEFLY, asked_within=0.1)
    await known.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    async with locked(database, "customers"):
        unknown = [asyncio.create_task(known.ask(other, [])) for _ in range(2)]
        await asyncio.sleep(0)
        await known.ask(customer, [carrier])
        assert known.suffice(customer, [carrier])
        assert known.limit(customer) == 30
        unknown[0].cancel()
        await asyncio.sleep(0)
    await unknown[1]
    assert unknown[0].cancelled()
    assert known.suffice(other, [])


async def test_what_others_have_ceased_to_know_meanwhile_is_not_shown_as_none(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account, known_for=BRIEFLY)
    await known.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    async with asyncio.TaskGroup() as both, locked(database, "carriers") as conn:
        async with locked(database, "customers"):
            both.create_task(known.ask(customer, []))  # who has not seen the carrier since
            await waits(conn)
            waiting = both.create_task(_raised(known.ask(None, [carrier])))
            await asyncio.sleep(0)
        await waits(conn, ending=True)
        async with asyncio.timeout(10):
            await waiting
    assert isinstance(waiting.result(), faults.AWAY)


@asynccontextmanager
async def locked(database: str, table: str) -> AsyncIterator[asyncpg.Connection]:
    """Whoever reads the table waits meanwhile."""
    conn = await asyncpg.connect(database)
    try:
        async with conn.transaction():
            await conn.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield conn
    finally:
        await conn.close()


async def waits(conn: asyncpg.Connection, *, ending: bool = False) -> None:
    """Until a statement waits for a lock; it may be ended there, with its connection."""
    asked = "pg_terminate_backend(pid)" if ending else "pid"
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    sql = f"SELECT {asked} FROM pg_locks WHERE NOT granted AND {here}"
    async with asyncio.timeout(10):
        while not await conn.fetch(sql):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def _raised(of: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await of
    except Exception as error:
        return error
    return None


async def test_what_another_account_has_is_not_told(account: int, ids: Any) -> None:
    everyone, carrier = ids
    other = captions.OfAccount(account + 1)
    await other.ask(everyone[0], [carrier])
    assert other.limit(everyone[0]) is None
    assert other.carrier(carrier) is None
