"""Limits and carrier names in the live state: read once for all watchers."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from domain.identity import callers
from live import channels
from models import db, faults
from models.directory import carriers, customers
from models.identity import accounts
from resolvers.directory import carriers as carrier_changes
from resolvers.directory import customers as customer_changes
from resolvers.live import captions, live_channels
from runtime import clock
from tests.support.live.switch_events import NOW, Services, Switch
from tests.support.live.watchers import Watched, process, watching

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
            customers.NewCustomer(
                reference=f"c{number}",
                name="Acme",
                currency="EUR",
                channel_limit=None if number else 30,
                debit_limit=Decimal(0),
                tax_percent=Decimal(0),
            ),
            now,
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


async def test_watchers_of_an_account_share_one_read(
    account: int, ids: tuple[list[int], int]
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account, max_age=BRIEFLY)

    async def look() -> None:
        async def of(customer: int) -> None:
            if not known.is_fresh(customer, [carrier, None]):
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


async def test_a_change_is_shown_once_the_cache_expires_and_not_before(
    account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account, max_age=BRIEFLY)
    await known.ask(customer, [carrier])
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET channel_limit = 31 WHERE id = $1", customer)
    assert known.is_fresh(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    assert not known.is_fresh(customer, [carrier])
    assert known.limit(customer) == 30
    await known.ask(customer, [carrier])
    assert known.limit(customer) == 31


async def test_a_customer_without_watchers_is_not_read_again(
    account: int, ids: tuple[list[int], int]
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account, max_age=BRIEFLY)
    for customer in everyone[:20]:
        await known.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    await known.ask(everyone[0], [carrier])  # all who were seen since the last time
    await asyncio.sleep(BRIEFLY)
    assert await asked(known.ask(everyone[0], [carrier])) == ([everyone[:1]], [[carrier]])
    assert known.limit(everyone[0]) == 30
    assert not known.is_fresh(everyone[1], [carrier])
    await known.ask(everyone[1], [carrier])
    assert known.is_fresh(everyone[1], [carrier])


async def test_during_a_database_hang_cached_captions_are_shown_and_canceled_reads_do_not_block(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    (customer, other, *_), carrier = ids
    known = captions.OfAccount(account, max_age=BRIEFLY, read_timeout=0.1)
    await known.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    async with locked(database, "customers"):
        unknown = [asyncio.create_task(known.ask(other, [])) for _ in range(2)]
        await asyncio.sleep(0)
        await known.ask(customer, [carrier])
        assert known.is_fresh(customer, [carrier])
        assert known.limit(customer) == 30
        unknown[0].cancel()
        await asyncio.sleep(0)
    await unknown[1]
    assert unknown[0].cancelled()
    assert known.is_fresh(other, [])


async def test_captions_evicted_for_another_reader_are_not_shown_as_missing(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account, max_age=BRIEFLY)
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
    assert isinstance(waiting.result(), faults.UNAVAILABLE_ERRORS)


@asynccontextmanager
async def locked(database: str, table: str) -> AsyncIterator[asyncpg.Connection]:
    """Readers of the table wait meanwhile."""
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


async def test_captions_of_another_account_are_not_shown(account: int, ids: Any) -> None:
    everyone, carrier = ids
    other = captions.OfAccount(account + 1)
    await other.ask(everyone[0], [carrier])
    assert other.limit(everyone[0]) is None
    assert other.carrier(carrier) is None


@pytest.fixture
def owner(account: int) -> callers.Caller:
    return callers.Caller(account, callers.Kind.STAFF, 1, callers.Role.OWNER)


@asynccontextmanager
async def two_processes(
    redis: Redis, services: Services, account: int, customer_id: int | None
) -> AsyncIterator[list[Watched[live_channels.CaptionedState]]]:
    """Each watches the customer, or the account, with captions of its own."""
    await channels.seed(redis, account, [])
    async with AsyncExitStack() as stack:
        watched = []
        for _ in range(2):
            here = await stack.enter_async_context(process(services.redis_url))
            source = live_channels.Channels(account, customer_id, captions.OfAccount(account))
            watched.append(await stack.enter_async_context(watching(here, source)))
            await watched[-1].until(lambda picture: picture.complete)
        yield watched


async def test_every_process_pushes_a_changed_limit_immediately(
    redis: Redis, services: Services, owner: callers.Caller, ids: tuple[list[int], int]
) -> None:
    customer = ids[0][0]
    async with two_processes(redis, services, owner.account_id, customer) as watched:
        for limit in (31, None, 5):
            await customer_changes.update(
                owner, customer, {"channel_limit": limit}, None, clock.now(), redis
            )
            for one in watched:
                took = await one.until(lambda picture, limit=limit: picture.limit == limit)
                assert took < 4


async def test_every_process_pushes_a_renamed_carrier_immediately(
    redis: Redis, services: Services, owner: callers.Caller, ids: tuple[list[int], int]
) -> None:
    ((customer, *_), carrier), now = ids, clock.now()
    switch = Switch(at=(now - NOW).total_seconds())
    async with two_processes(redis, services, owner.account_id, None) as watched:
        call = switch.start("a", customer, carrier)
        await channels.apply(redis, owner.account_id, [call, switch.beat(1)], now)
        await carrier_changes.update(owner, carrier, {"name": "New name"}, None, now, redis)

        def is_renamed(picture: live_channels.CaptionedState) -> bool:
            return [c.name for c, _ in picture.by_carrier if c is not None] == ["New name"]

        for one in watched:
            assert await one.until(is_renamed) < 4


async def test_a_change_during_the_read_of_captions_is_not_missed(
    account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account)
    async with db.transaction() as conn:  # in one, so that the change falls between its statements

        def change(query: Any) -> None:
            if "channel_limit" in query.query:
                known.expire()

        with conn.query_logger(change):
            await known.ask(customer, [carrier])
    assert not known.is_fresh(customer, [carrier])
    await known.ask(customer, [carrier])
    assert known.is_fresh(customer, [carrier])
