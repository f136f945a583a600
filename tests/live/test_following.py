"""Streams of facts: resumed from any number, after any loss."""

import asyncio
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from domain.facts import Kind as Fact
from domain.identity import callers
from domain.identity.callers import Kind, Role, Scope
from live import fact_signals
from models import db, fact_log
from models.identity import accounts
from resolvers.live import fact_feed
from schema.engine import base
from tests.support.fact_streams import CHECKLISTS, INVOICES, following

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


class Account:
    """An account with two customers, whose checklist facts are inserted directly."""

    def __init__(self, account_id: int, customers: list[int]) -> None:
        self.id, self.customers = account_id, customers
        self.staff = callers.Caller(account_id, Kind.STAFF, 1, role=Role.OWNER)

    @classmethod
    async def create(cls) -> "Account":
        account_id = (await accounts.insert("A carrier", NOW)).id
        async with db.connection() as conn:
            rows = await conn.fetch(
                "INSERT INTO customers (account_id, reference, name, currency, created_at)"
                " SELECT $1, name, name, 'EUR', $2 FROM unnest(ARRAY['first', 'second']) name"
                " RETURNING id",
                account_id,
                NOW,
            )
        return cls(account_id, [row["id"] for row in rows])

    def contact(self, customer: int = 0) -> callers.Caller:
        mine = self.customers[customer]
        return callers.Caller(self.id, Kind.CONTACT, 1, customer_id=mine)

    def key(self, *scopes: Scope, customer: int | None = None) -> callers.Caller:
        mine = None if customer is None else self.customers[customer]
        return callers.Caller(self.id, Kind.KEY, 1, scopes=frozenset(scopes), customer_id=mine)

    def global_id(self, customer: int = 0) -> str:
        return base.encode_id("Customer", self.id, self.customers[customer])

    async def happen(self, times: int, customer: int = 0) -> None:
        """Facts of the customer, each with as many open items as its number."""
        for _ in range(times):
            async with db.transaction() as conn:
                of = self.id, self.customers[customer]
                last = await fact_log.last_number(*of, Fact.CHECKLIST_CHANGED)
                open_items = {f"ITEM_{n}": 1 for n in range(last + 1)}
                fact = fact_log.NewFact(
                    Fact.CHECKLIST_CHANGED, self.customers[customer], detail={"open": open_items}
                )
                await fact_log.insert(conn, self.id, fact, NOW)

    async def tell(self, redis: Redis, customer: int = 0) -> None:
        await fact_signals.publish(
            redis, self.id, self.customers[customer], Fact.CHECKLIST_CHANGED, 1
        )


@pytest.fixture
async def account(database: str) -> Account:
    return await Account.create()


async def test_resuming_from_any_number_returns_exactly_the_rest(
    account: Account, redis: Redis
) -> None:
    """Over several pages; the fact at the edge of a page is neither lost nor sent twice."""
    many = 2 * fact_feed.PAGE + 3
    await account.happen(many)
    for after in (0, 1, 2, 99, 100, 101, 199, 200, 201, 202, 203):
        async with following(account.staff, redis, CHECKLISTS, after=after) as stream:
            rest = await stream.take(many - after)
            assert [fact["number"] for fact in rest] == list(range(after + 1, many + 1))
            assert [fact["outstanding"] for fact in rest] == list(range(after + 1, many + 1))
            assert stream.marks == list(range(after + 1, many + 1))
            if after in (0, 203):
                assert await stream.silent()


async def test_without_a_number_only_new_facts_arrive(account: Account, redis: Redis) -> None:
    await account.happen(3)
    async with following(account.staff, redis, CHECKLISTS) as stream:
        await account.happen(2)
        await account.tell(redis)
        assert await stream.numbers(2) == [4, 5]
        assert await stream.silent()


async def test_a_repeated_subscription_resumes_where_its_connection_was_interrupted(
    account: Account, redis: Redis
) -> None:
    await account.happen(6)
    for resumed, after, first in [(4, None, 5), (4, 2, 5), (2, 4, 5), (0, None, 1), (None, 4, 5)]:
        async with following(
            account.staff, redis, CHECKLISTS, resume_after=resumed, after=after
        ) as stream:
            assert await stream.numbers(1) == [first]


@pytest.mark.parametrize("after", [4, -1, 2**53 - 1])
async def test_an_unknown_number_is_refused(account: Account, redis: Redis, after: int) -> None:
    await account.happen(3)
    async with following(account.staff, redis, CHECKLISTS, after=after) as stream:
        assert await stream.code() == "BAD_AFTER"
    async with following(account.staff, redis, CHECKLISTS, resume_after=after) as stream:
        assert await stream.code() == "BAD_AFTER"


async def test_two_subscribers_receive_the_same_and_a_customer_has_its_own_stream(
    account: Account, redis: Redis
) -> None:
    async with (
        following(account.staff, redis, CHECKLISTS) as stream,
        following(account.key(Scope.LIVE_READ), redis, CHECKLISTS) as another,
        following(account.contact(1), redis, CHECKLISTS, after=0) as second,
    ):
        for customer in (0, 1, 0, 1, 1):
            await account.happen(1, customer)
            await account.tell(redis, customer)
        events = await stream.take(5)
        assert events == await another.take(5)
        first, other = account.global_id(0), account.global_id(1)
        assert [fact["customerId"] for fact in events] == [first, other, first, other, other]
        assert [fact["number"] for fact in events] == [1, 2, 3, 4, 5]
        assert await second.take(3) == [
            {"number": n, "customerId": other, "outstanding": n} for n in (1, 2, 3)
        ]
        assert await second.silent()


async def test_a_fact_without_a_notification_arrives_within_six_seconds(
    account: Account, redis: Redis
) -> None:
    """The process that stored it was killed before it could notify, or its notification was
    lost."""
    async with following(account.staff, redis, CHECKLISTS) as stream:
        for number in (1, 2):
            await account.happen(1)
            assert (await stream.next(within=6))["number"] == number


async def test_facts_created_while_redis_is_unavailable_arrive_once_it_is_back(
    account: Account, redis: Redis
) -> None:
    async with following(account.staff, redis, CHECKLISTS) as stream:
        for number in range(1, 4):
            await redis.flushall()
            await redis.client_kill_filter(_type="pubsub")
            await account.happen(1)
            await account.tell(redis)
            assert (await stream.next())["number"] == number
        assert await stream.silent()


async def test_creating_a_fact_does_not_need_redis(account: Account) -> None:
    nowhere: Redis = Redis(unix_socket_path="/nowhere")
    await account.tell(nowhere)


async def test_subscribers_stay_connected_while_the_database_is_unavailable(
    account: Account, redis: Redis
) -> None:
    async with following(account.staff, redis, CHECKLISTS) as stream:
        for number in range(1, 4):
            async with db.connection() as conn:
                await conn.execute(
                    "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await account.tell(redis)
            await asyncio.sleep(0.2)
            await account.happen(1)
            await account.tell(redis)
            assert (await stream.next())["number"] == number


async def test_each_subscriber_receives_only_what_it_may_see(
    account: Account, redis: Redis
) -> None:
    stranger = await Account.create()
    await account.happen(1)
    await stranger.happen(2)
    mine, others = account.global_id(0), account.global_id(1)
    only_first = account.key(Scope.LIVE_READ, customer=0)
    cases: list[tuple[callers.Caller, str | None, str, int | str]] = [
        (account.contact(0), mine, CHECKLISTS, 1),
        (account.contact(0), None, CHECKLISTS, 1),
        (account.contact(0), others, CHECKLISTS, "NOT_FOUND"),
        (account.contact(0), others, INVOICES, "NOT_FOUND"),
        (account.contact(1), None, CHECKLISTS, 0),
        (only_first, None, CHECKLISTS, 1),
        (only_first, others, CHECKLISTS, "NOT_FOUND"),
        (only_first, mine, INVOICES, "FORBIDDEN"),
        (account.key(Scope.LIVE_READ), None, CHECKLISTS, 1),
        (account.key(Scope.LIVE_READ), None, INVOICES, "FORBIDDEN"),
        (account.key(Scope.BILLING_READ), None, INVOICES, 0),
        (account.key(Scope.INGEST), None, CHECKLISTS, "FORBIDDEN"),
        (account.staff, "x", CHECKLISTS, "NOT_FOUND"),
        (account.staff, base.encode_id("Customer", account.id, 2**40), INVOICES, "NOT_FOUND"),
        (account.staff, stranger.global_id(), CHECKLISTS, "NOT_FOUND"),
        (stranger.contact(0), mine, CHECKLISTS, "NOT_FOUND"),
    ]
    for caller, customer, query, answer in cases:
        async with following(caller, redis, query, customer=customer, after=0) as stream:
            if isinstance(answer, str):
                assert await stream.code() == answer, (caller, customer)
            else:
                assert await stream.numbers(answer) == list(range(1, answer + 1))
                assert await stream.silent(0.15), (caller, customer)


async def test_facts_require_signing_in(account: Account, redis: Redis) -> None:
    anonymous: callers.Caller | None = None
    for query in (CHECKLISTS, INVOICES):
        async with following(anonymous, redis, query) as stream:
            assert await stream.code() == "UNAUTHENTICATED"
