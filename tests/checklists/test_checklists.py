"""checklistChanged: published when the checklist of a customer changes."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from random import Random

import pytest
from redis.asyncio import Redis

from domain.checklists import checklist_items, conditions
from domain.facts import Fact, Kind
from domain.identity import callers
from live import wake
from models import db, fact_log
from models.checklists import checklist_state
from models.directory import carriers
from models.identity import accounts, logins, staff
from models.summaries import hours
from models.tables import Contact, Login, Staff
from schema.engine import base
from tests.support.fact_streams import CHECKLISTS, following
from tests.support.programs import Program
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker
from workers import jobs, main

NOW = HOUR + timedelta(minutes=30)
OWN = "query ($id: ID!) { customer(id: $id) { checklist { outstanding items { code detail } } } }"


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    """Staff of an account on whose checklist is nothing, nor on its two customers'."""
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    carrier = await carriers.insert(
        ACCOUNT, reference="carrier-a", name="Carrier A", currency="EUR", sip_uri=None, now=NOW
    )
    await days.set_id("carriers", carrier.id, 1)
    login = await logins.insert(ACCOUNT, "owner@voice.example", "-", NOW)
    await Login.filter(id=login).update(totp_confirmed_at=NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", callers.Role.OWNER, NOW)
    await Staff.filter(id=owner.id).update(email_verified_at=NOW, mobile_verified_at=NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    async with db.connection() as conn:
        await conn.execute("INSERT INTO number_ranges VALUES ($1, 1000, 9999, 1000)", ACCOUNT)
    facts = await checklist_state.account_facts(ACCOUNT)
    still_open = conditions.open_counts(checklist_items.ACCOUNT_ITEMS, facts)
    assert not still_open, "Resolve these items here, too"
    return Asker(reader.staff(ACCOUNT), NOW, redis)


@pytest.fixture
async def tools(asker: Asker) -> jobs.Tools:
    return jobs.Tools(asker.redis, lambda: NOW, records_days=2, partitions_ahead_days=3)


async def rebuild(tools: jobs.Tools) -> None:
    await jobs.rebuild_marked({"tools": tools})


async def settle(tools: jobs.Tools) -> None:
    await jobs.settle_checklists({"tools": tools})


async def published_counts(customer_id: int | None = None) -> list[dict[str, int]]:
    """All published changes of customers (or of that customer), as the numbers of open items."""
    return [dict(fact.detail["open"]) for fact in await all_told(customer_id) if fact.customer_id]


async def told_of_account() -> list[dict[str, int]]:
    return [dict(fact.detail["open"]) for fact in await all_told() if not fact.customer_id]


async def all_told(customer_id: int | None = None) -> list[Fact]:
    events = await fact_log.read_after(ACCOUNT, customer_id, Kind.CHECKLIST_CHANGED, 0, 1_000)
    assert [fact.number for fact in events] == list(range(1, len(events) + 1))
    return events


def unrated(call: str, customer: int = 1) -> Leg:
    return Leg(call, customer=customer, rated_by=None, prefix=None, charge=None)


async def rate(*legs: Leg) -> None:
    rated = [replace(leg, rated_by="CARD", prefix="44", charge=Decimal(1)) for leg in legs]
    await days.put(rated, gone=legs)


async def test_unrated_calls_publish_a_change_when_they_appear_and_when_they_are_rated(
    tools: jobs.Tools, redis: Redis
) -> None:
    """Published with the rebuild; no other job has to run."""
    async with (
        following(reader.staff(ACCOUNT), redis, CHECKLISTS) as account,
        following(
            reader.staff(ACCOUNT), redis, CHECKLISTS, customer=base.encode_id("Customer", 1, 2)
        ) as other,
    ):
        await days.put([unrated("a"), unrated("b"), Leg("c")])
        await rebuild(tools)
        mine, own = {"customerId": base.encode_id("Customer", ACCOUNT, 1)}, {"customerId": None}
        assert await account.next(within=3) == {"number": 1, "outstanding": 1} | own
        assert await account.next(within=3) == {"number": 2, "outstanding": 1} | mine
        await rate(unrated("a"))
        await rebuild(tools)
        assert await account.silent()
        await rate(unrated("b"))
        await rebuild(tools)
        assert await account.next(within=3) == {"number": 3, "outstanding": 0} | own
        assert await account.next(within=3) == {"number": 4, "outstanding": 0} | mine
        assert await account.silent()
        assert await other.silent()


async def test_a_rebuild_reports_whether_the_unrated_calls_changed(tools: jobs.Tools) -> None:
    steps = [([unrated("a")], []), ([Leg("b")], []), ([Leg("a")], [unrated("a")]), ([], [Leg("b")])]
    answers = []
    for legs, removed_legs in steps:
        await days.put(legs, removed_legs)
        answers.append(await hours.rebuild(ACCOUNT, 1, HOUR, NOW))
    assert [rebuilt.unrated_changed for rebuilt in answers] == [True, False, True, False]
    assert [rebuilt.version for rebuilt in answers] == [1, 2, 3, 4]
    assert not (await hours.rebuild(ACCOUNT, 1, HOUR, NOW)).unrated_changed


async def test_the_job_publishes_each_change_once_however_often_it_runs(tools: jobs.Tools) -> None:
    await settle(tools)
    assert await published_counts() == []
    await reader.contact(ACCOUNT, 1, "Europe/Berlin", NOW)
    await reader.contact(ACCOUNT, 1, "Europe/Paris", NOW)
    for _ in range(3):
        await settle(tools)
    assert await published_counts() == [{"VERIFY_EMAIL": 2, "VERIFY_MOBILE": 2}]
    for id in await Contact.all().order_by("id").values_list("id", flat=True):
        await Contact.filter(id=id).update(email_verified_at=NOW)
        await settle(tools)
        await settle(tools)
    assert await published_counts(1) == [
        {"VERIFY_EMAIL": 2, "VERIFY_MOBILE": 2},
        {"VERIFY_EMAIL": 1, "VERIFY_MOBILE": 2},
        {"VERIFY_MOBILE": 2},
    ]
    assert await published_counts(2) == []


async def test_concurrent_workers_publish_each_change_once(tools: jobs.Tools) -> None:
    for round in range(5):
        legs = [unrated(f"call-{round}", customer) for customer in (1, 2)]
        for change in (days.put(legs), rate(legs[0]), rate(legs[1])):
            await change
            await rebuild_only()
            await asyncio.gather(*(settle(tools) for _ in range(6)))
    for customer in (1, 2):
        assert await published_counts(customer) == [{"UNRATED_CALLS": 1}, {}] * 5
    assert len(await published_counts()) == 20
    assert await told_of_account() == [{"UNRATED_CALLS": 1}, {}] * 5


async def rebuild_only() -> None:
    """As invoicing does, which publishes nothing."""
    for which in await hours.marked_hours(100):
        await hours.rebuild(*which, NOW)


@pytest.mark.parametrize("seed", range(4))
async def test_the_last_published_checklist_is_current_despite_concurrent_changes(
    tools: jobs.Tools, seed: int
) -> None:
    chance, verified = Random(seed), True
    await reader.contact(ACCOUNT, 1, "Europe/Berlin", NOW)

    async def change() -> None:
        nonlocal verified
        for _ in range(20):
            verified = not verified
            await Contact.all().update(email_verified_at=NOW if verified else None)
            await asyncio.sleep(chance.random() * 0.01)

    changing = asyncio.create_task(change())
    while not changing.done():
        await asyncio.gather(*(checklist_state.settle(ACCOUNT, [1], NOW) for _ in range(3)))
    await settle(tools)
    of_one = await published_counts(1)
    assert of_one[-1] == {"VERIFY_MOBILE": 1} | ({} if verified else {"VERIFY_EMAIL": 1})
    assert all(first != other for first, other in itertools.pairwise(of_one))


async def test_a_checklist_that_fails_does_not_stop_the_others(tools: jobs.Tools) -> None:
    await days.put([unrated("a", 1), unrated("b", 2)])
    await rebuild_only()
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE checklists ADD CONSTRAINT barred CHECK (customer_id <> 1)")
    await settle(tools)
    assert (await published_counts(1), await published_counts(2)) == ([], [{"UNRATED_CALLS": 1}])
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE checklists DROP CONSTRAINT barred")
    await settle(tools)
    assert await published_counts(1) == [{"UNRATED_CALLS": 1}]


async def test_staff_see_published_changes_and_a_contact_its_own_verifications(
    asker: Asker, tools: jobs.Tools
) -> None:
    contact = await reader.contact(ACCOUNT, 1, "Europe/Berlin", NOW)
    await reader.contact(ACCOUNT, 1, "Europe/Paris", NOW)
    await Contact.filter(id=contact.id).update(email_verified_at=NOW, mobile_verified_at=NOW)
    await settle(tools)
    mine = base.encode_id("Customer", ACCOUNT, 1)
    checklist = (await asker.ask(OWN, id=mine))["customer"]["checklist"]
    assert {item["code"] for item in checklist["items"]} == set((await published_counts(1))[-1])
    assert checklist["outstanding"] == 2
    assert checklist["items"][0]["detail"] == "Still open for 1 of the customer's contacts."
    asker.caller = contact
    assert (await asker.ask(OWN, id=mine))["customer"]["checklist"]["outstanding"] == 0


@pytest.mark.parametrize("milliseconds", [0, 15, 30])
async def test_killed_workers_neither_lose_nor_repeat_a_change(
    tools: jobs.Tools, worker: Program, redis: Redis, milliseconds: int
) -> None:
    legs = [unrated(f"call-{customer}", customer) for customer in (1, 2)]
    async with following(reader.staff(ACCOUNT), redis, CHECKLISTS) as account:
        for change, outstanding in ((partial(days.put, legs), 1), (partial(rate, *legs), 0)):
            await alive(redis)
            await change()
            await wake.wake(redis)
            await asyncio.sleep(milliseconds / 1000)
            worker.kill()
            await redis.delete(main.HEARTBEAT)
            worker.start()
            assert [fact["outstanding"] for fact in await account.take(3)] == [outstanding] * 3
    assert await published_counts(1) == await published_counts(2) == [{"UNRATED_CALLS": 1}, {}]
    assert await told_of_account() == [{"UNRATED_CALLS": 1}, {}]


async def alive(redis: Redis) -> None:
    async with asyncio.timeout(15):
        while not await redis.exists(main.HEARTBEAT):  # noqa: ASYNC110 - Redis tells nobody of it
            await asyncio.sleep(0.01)
