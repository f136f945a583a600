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
from tests.support.live.watchers import StateStream, process, watching

pytestmark = pytest.mark.usefixtures("database")
CUSTOMERS = 300
BRIEFLY = 1.0  # seconds that captions are cached in these tests, if it matters


@pytest.fixture
async def account(database: str) -> int:
    account_row = await accounts.insert("Example Voice", clock.now())
    return int(account_row.id)


@pytest.fixture
async def ids(account: int) -> tuple[list[int], int]:
    """Customers, of which the first has a limit of 30, and a carrier."""
    now = clock.now()
    answer = [
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
    return [int(customer.id) for customer in answer], int(carrier.id)


async def ids_read_by(by: Coroutine[Any, Any, None]) -> tuple[list[list[int]], list[list[int]]]:
    """The ids that each statement reads meanwhile: those for limits, those for carriers."""
    queries: list[Any] = []
    async with db.transaction() as conn:  # all statements use its connection
        with conn.query_logger(queries.append):
            await by
    limits = [list(query.args[1]) for query in queries if "channel_limit" in query.query]
    carriers = [list(query.args[1:]) for query in queries if 'FROM "carriers"' in query.query]
    return limits, carriers


async def test_watchers_of_an_account_share_one_read(
    account: int, ids: tuple[list[int], int]
) -> None:
    customers, carrier = ids
    cache = captions.OfAccount(account, max_age=BRIEFLY)

    async def look() -> None:
        async def of(customer: int) -> None:
            if not cache.is_fresh(customer, [carrier, None]):
                await cache.ask(customer, [carrier, None])

        await asyncio.gather(*map(of, customers))

    limits, carriers_read = await ids_read_by(look())
    # Of the first, then of all that arrived while it read
    assert [sorted(ids_read) for ids_read in limits] == [customers[:1], customers[1:]]
    assert carriers_read == [[carrier]]
    assert cache.limit(customers[0]) == 30
    assert cache.limit(customers[1]) is None
    caption = cache.carrier(carrier)
    assert caption is not None
    assert caption.name == "Carrier"
    assert await ids_read_by(look()) == ([], [])
    await asyncio.sleep(BRIEFLY)
    limits, carriers_read = await ids_read_by(look())
    assert [sorted(ids_read) for ids_read in limits] == [customers]
    assert carriers_read == [[carrier]]


async def test_a_change_is_shown_once_the_cache_expires_and_not_before(
    account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    cache = captions.OfAccount(account, max_age=BRIEFLY)
    await cache.ask(customer, [carrier])
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET channel_limit = 31 WHERE id = $1", customer)
    assert cache.is_fresh(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    assert not cache.is_fresh(customer, [carrier])
    assert cache.limit(customer) == 30
    await cache.ask(customer, [carrier])
    assert cache.limit(customer) == 31


async def test_a_customer_without_watchers_is_not_read_again(
    account: int, ids: tuple[list[int], int]
) -> None:
    customers, carrier = ids
    cache = captions.OfAccount(account, max_age=BRIEFLY)
    for customer in customers[:20]:
        await cache.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    await cache.ask(customers[0], [carrier])  # all that were seen since the last time
    await asyncio.sleep(BRIEFLY)
    assert await ids_read_by(cache.ask(customers[0], [carrier])) == ([customers[:1]], [[carrier]])
    assert cache.limit(customers[0]) == 30
    assert not cache.is_fresh(customers[1], [carrier])
    await cache.ask(customers[1], [carrier])
    assert cache.is_fresh(customers[1], [carrier])


async def test_during_a_database_hang_cached_captions_are_shown_and_canceled_reads_do_not_block(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    (customer, other, *_), carrier = ids
    cache = captions.OfAccount(account, max_age=BRIEFLY, read_timeout=0.1)
    await cache.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    async with lock_table(database, "customers"):
        unknown = [asyncio.create_task(cache.ask(other, [])) for _ in range(2)]
        await asyncio.sleep(0)
        await cache.ask(customer, [carrier])
        assert cache.is_fresh(customer, [carrier])
        assert cache.limit(customer) == 30
        unknown[0].cancel()
        await asyncio.sleep(0)
    await unknown[1]
    assert unknown[0].cancelled()
    assert cache.is_fresh(other, [])


async def test_captions_evicted_for_another_reader_are_not_shown_as_missing(
    database: str, account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    cache = captions.OfAccount(account, max_age=BRIEFLY)
    await cache.ask(customer, [carrier])
    await asyncio.sleep(BRIEFLY)
    async with asyncio.TaskGroup() as both, lock_table(database, "carriers") as conn:
        async with lock_table(database, "customers"):
            both.create_task(cache.ask(customer, []))  # which has not seen the carrier since
            await waits(conn)
            waiting = both.create_task(_error_of(cache.ask(None, [carrier])))
            await asyncio.sleep(0)
        await waits(conn, ending=True)
        async with asyncio.timeout(10):
            await waiting
    assert isinstance(waiting.result(), faults.UNAVAILABLE_ERRORS)


@asynccontextmanager
async def lock_table(database: str, table: str) -> AsyncIterator[asyncpg.Connection]:
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
    expression = "pg_terminate_backend(pid)" if ending else "pid"
    condition = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    sql = f"SELECT {expression} FROM pg_locks WHERE NOT granted AND {condition}"
    async with asyncio.timeout(10):
        while not await conn.fetch(sql):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def _error_of(of: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await of
    except Exception as error:
        return error
    return None


async def test_captions_of_another_account_are_not_shown(account: int, ids: Any) -> None:
    customers, carrier = ids
    other = captions.OfAccount(account + 1)
    await other.ask(customers[0], [carrier])
    assert other.limit(customers[0]) is None
    assert other.carrier(carrier) is None


@pytest.fixture
def owner(account: int) -> callers.Caller:
    return callers.Caller(account, callers.Kind.STAFF, 1, callers.Role.OWNER)


@asynccontextmanager
async def two_processes(
    redis: Redis, services: Services, account: int, customer_id: int | None
) -> AsyncIterator[list[StateStream[live_channels.CaptionedState]]]:
    """Each watches the customer, or the account, with captions of its own."""
    await channels.seed(redis, account, [])
    async with AsyncExitStack() as stack:
        streams = []
        for _ in range(2):
            live_feeds = await stack.enter_async_context(process(services.redis_url))
            source = live_channels.Channels(account, customer_id, captions.OfAccount(account))
            streams.append(await stack.enter_async_context(watching(live_feeds, source)))
            await streams[-1].until(lambda picture: picture.complete)
        yield streams


async def test_every_process_pushes_a_changed_limit_immediately(
    redis: Redis, services: Services, owner: callers.Caller, ids: tuple[list[int], int]
) -> None:
    customer = ids[0][0]
    async with two_processes(redis, services, owner.account_id, customer) as streams:
        for limit in (31, None, 5):
            await customer_changes.update(
                owner, customer, {"channel_limit": limit}, None, clock.now(), redis
            )
            for stream in streams:
                took = await stream.until(lambda picture, limit=limit: picture.limit == limit)
                assert took < 4


async def test_every_process_pushes_a_renamed_carrier_immediately(
    redis: Redis, services: Services, owner: callers.Caller, ids: tuple[list[int], int]
) -> None:
    ((customer, *_), carrier), now = ids, clock.now()
    switch = Switch(at=(now - NOW).total_seconds())
    async with two_processes(redis, services, owner.account_id, None) as streams:
        call = switch.start("a", customer, carrier)
        await channels.apply(redis, owner.account_id, [call, switch.beat(1)], now)
        await carrier_changes.update(owner, carrier, {"name": "New name"}, None, now, redis)

        def is_renamed(state: live_channels.CaptionedState) -> bool:
            return [c.name for c, _ in state.by_carrier if c is not None] == ["New name"]

        for stream in streams:
            assert await stream.until(is_renamed) < 4


async def test_a_change_during_the_read_of_captions_is_not_missed(
    account: int, ids: tuple[list[int], int]
) -> None:
    customer, carrier = ids[0][0], ids[1]
    cache = captions.OfAccount(account)
    async with db.transaction() as conn:  # in one, so that the change falls between its statements

        def change(query: Any) -> None:
            if "channel_limit" in query.query:
                cache.expire()

        with conn.query_logger(change):
            await cache.ask(customer, [carrier])
    assert not cache.is_fresh(customer, [carrier])
    await cache.ask(customer, [carrier])
    assert cache.is_fresh(customer, [carrier])
