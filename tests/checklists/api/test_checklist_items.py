"""Checklists over the API: items open and close automatically; a person can snooze some of them."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from domain import refusals
from domain.checklists import checklist_items, conditions
from domain.facts import Kind
from domain.identity import callers
from live import topics
from models import db
from models import fact_log as facts
from models.checklists import checklist_state
from models.records import quarantine_store
from models.tables import Login, Staff
from runtime import clock
from schema.engine import base
from tests.support.api import rights, sdl_documents
from tests.support.api.callers import Caller, Carrier
from tests.support.api.checklists import (
    CHANGES,
    ITEMS,
    OF_ACCOUNT,
    codes,
    of_account,
    of_customer,
)
from tests.support.api.fact_subscriptions import following, listened_to, next_of


async def execute(statement: str, *values: Any) -> None:
    async with db.connection() as conn:
        await conn.execute(statement, *values)


async def snooze(caller: Caller, code: str, days: float = 5, **of: Any) -> dict[str, Any]:
    until = (clock.now() + timedelta(days=days)).isoformat()
    return await caller.do("snoozeChecklistItem", "Checklist", ITEMS, code=code, until=until, **of)


async def test_the_items_of_a_new_account_close_as_it_is_set_up(
    carrier: Carrier, api_redis: Redis
) -> None:
    assert codes(await of_account(carrier.owner)) == [
        "VERIFY_EMAIL",
        "VERIFY_MOBILE",
        "CREATE_CUSTOMER",
        "SET_UP_CARRIER",
        "SET_NUMBER_RANGE",
        "ENABLE_TWO_FACTOR",
    ]
    topic = topics.facts(carrier.account_id, None, Kind.CHECKLIST_CHANGED)
    async with following(carrier.owner, CHANGES) as stream:
        telling = asyncio.create_task(next_of(stream))
        await listened_to(api_redis, topic)
        await carrier.owner.do(
            "createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR"
        )
        async with asyncio.timeout(30):
            assert await telling == {"customerId": None, "outstanding": 5}
        customer = await carrier.customer()
        assert await next_of(stream) == {"customerId": None, "outstanding": 4}
        assert await next_of(stream) == {"customerId": customer, "outstanding": 2}
    assert codes(await of_account(carrier.owner))[2:] == ["SET_NUMBER_RANGE", "ENABLE_TWO_FACTOR"]


async def test_records_that_wait_for_staff_open_an_item_and_close_it(carrier: Carrier) -> None:
    account, now = carrier.account_id, clock.now()
    record = quarantine_store.RefusedRecord(b"{}", refusals.Refusal("UNKNOWN_CUSTOMER", "Who?"))
    await quarantine_store.add(account, [record], now)
    await execute(
        "INSERT INTO record_revisions VALUES ($1, 'edge-1', 'a', 0, 'x', 1, 'HELD', '{}', $2)",
        account,
        now,
    )
    checklist = await of_account(carrier.owner)
    assert codes(checklist)[-2:] == ["QUARANTINED_RECORDS", "HELD_RECORDS"]
    await execute("UPDATE quarantine SET state = 'DISCARDED' WHERE account_id = $1", account)
    await execute("UPDATE record_revisions SET state = 'DISCARDED' WHERE account_id = $1", account)
    assert not {"QUARANTINED_RECORDS", "HELD_RECORDS"} & set(codes(await of_account(carrier.owner)))


async def said_to(key: Caller) -> dict[str, str]:
    """The number of the account's staff with each verification open, as a program sees it."""
    query = OF_ACCOUNT.replace("Staff", "ApiKey")
    items = (await key.ask(query))["viewer"]["account"]["checklist"]["items"]
    details = {item["code"]: item["detail"] for item in items if item["code"].startswith("VERIFY")}
    assert all(text.endswith(" of the account's staff.") for text in details.values())
    return {code: text.split()[3] for code, text in details.items()}


async def test_staff_see_their_own_verifications_and_programs_see_how_many_are_missing(
    carrier: Carrier,
) -> None:
    support, key = await carrier.staff("SUPPORT"), await carrier.key("LIVE_READ")
    me = await Staff.get(account_id=carrier.account_id, name="The owner")
    await Staff.filter(id=me.id).update(email_verified_at=clock.now())
    assert "VERIFY_EMAIL" not in codes(await of_account(carrier.owner))
    assert codes(await of_account(support))[:2] == ["VERIFY_EMAIL", "VERIFY_MOBILE"]
    assert await said_to(key) == {"VERIFY_EMAIL": "1", "VERIFY_MOBILE": "2"}
    other = await Staff.get(account_id=carrier.account_id, name="A person")
    id = base.encode_id("Staff", carrier.account_id, other.id)
    await carrier.owner.do("disableStaff", "Staff", "id", staffId=id)
    assert await said_to(key) == {"VERIFY_MOBILE": "1"}
    fact = (await facts.read_after(carrier.account_id, None, Kind.CHECKLIST_CHANGED, 0, 100))[-1]
    assert fact.detail["open"].get("VERIFY_MOBILE") == 1


async def test_an_owner_sees_its_own_second_factor_and_others_how_many_owners_lack_it(
    carrier: Carrier,
) -> None:
    other, support = await carrier.staff("OWNER"), await carrier.staff("SUPPORT")
    me = await Staff.get(account_id=carrier.account_id, name="The owner")
    await Login.filter(id=me.login_id).update(totp_confirmed_at=clock.now())
    assert "ENABLE_TWO_FACTOR" not in codes(await of_account(carrier.owner))
    assert "ENABLE_TWO_FACTOR" in codes(await of_account(other))
    [item] = [
        entry
        for entry in (await of_account(support))["items"]
        if entry["code"] == "ENABLE_TWO_FACTOR"
    ]
    assert item["detail"] == "Still open for 1 of the account's owners."


async def test_a_company_profile_is_complete_once_all_its_parts_are_set(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    for column in conditions.PROFILE_COLUMNS:
        assert "COMPLETE_PROFILE" in codes(await of_customer(carrier.owner, customer))
        await execute(
            f"UPDATE customers SET {column} = 'GB' WHERE account_id = $1", carrier.account_id
        )
    assert "COMPLETE_PROFILE" not in codes(await of_customer(carrier.owner, customer))


async def test_staff_see_a_missing_rate_card_and_contacts_do_not(carrier: Carrier) -> None:
    customer = await carrier.customer()
    contact = await carrier.contact(customer)
    assert "ASSIGN_RATE_CARD" in codes(await of_customer(carrier.owner, customer))
    assert "ASSIGN_RATE_CARD" not in codes(await of_customer(contact, customer))
    card = await carrier.owner.do(
        "createRateCard", "RateCard", "id", name="Standard", currency="EUR"
    )

    async def assign(valid_from: datetime) -> None:
        await carrier.owner.do(
            "assignRateCard",
            "RateCardAssignment",
            "validFrom",
            customerId=customer,
            rateCardId=card["id"],
            validFrom=valid_from.isoformat(),
        )

    await assign(clock.now() + timedelta(days=1))
    assert "ASSIGN_RATE_CARD" in codes(await of_customer(carrier.owner, customer))
    await assign(clock.now() - timedelta(days=1))
    assert "ASSIGN_RATE_CARD" not in codes(await of_customer(carrier.owner, customer))


@pytest.mark.parametrize(
    ("items", "shows"),
    [(checklist_items.CUSTOMER_ITEMS, "Customer"), (checklist_items.ACCOUNT_ITEMS, "Account")],
)
def test_people_see_only_the_items_that_they_can_resolve(
    items: tuple[conditions.Item[Any], ...], shows: str
) -> None:
    """By its `action`, which is a field or mutation there is."""
    people: dict[conditions.Assignee, callers.Caller] = {
        role: callers.Caller(1, callers.Kind.STAFF, 1, role=role) for role in callers.Role
    }
    if shows == "Customer":
        contact = callers.Kind.CONTACT
        people[contact] = callers.Caller(1, contact, 1, customer_id=1)
    for item in items:
        root, name = item.action.split()
        assert name in sdl_documents.type_of(root.title()).fields, item.action
        may = {viewer for viewer, who in people.items() if rights.allows(root.title(), name, who)}
        assert item.by == may, item.code


async def test_finance_sees_the_items_it_can_resolve_and_programs_see_all(
    carrier: Carrier,
) -> None:
    customer, key = await carrier.customer(), await carrier.key("LIVE_READ")
    finance = await carrier.staff("FINANCE")
    assert codes(await of_account(finance)) == [
        "VERIFY_EMAIL",
        "VERIFY_MOBILE",
        "ENABLE_TWO_FACTOR",
    ]
    assert codes(await of_customer(finance, customer)) == []
    assert codes(await of_customer(key, customer)) == ["COMPLETE_PROFILE", "ASSIGN_RATE_CARD"]


async def test_a_caller_that_cannot_see_invoices_does_not_see_an_overdue_payment(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    since = clock.now() - timedelta(days=60)
    await put_issued(carrier.account_id, number(customer), 5, since)
    for scope, is_told in [("BILLING_READ", True), ("LIVE_READ", False)]:
        checklist = await of_customer(await carrier.key(scope), customer)
        assert ("PAYMENT_OVERDUE" in codes(checklist)) is is_told


@pytest.mark.parametrize("status", ["PAID", "VOID"])
async def test_an_overdue_payment_closes_once_the_invoice_is_paid_or_void(
    carrier: Carrier, status: str
) -> None:
    customer = await carrier.customer()
    since = clock.now() - timedelta(days=60)
    invoice = await put_issued(carrier.account_id, number(customer), 5, since)
    assert "PAYMENT_OVERDUE" in codes(await of_customer(carrier.owner, customer))
    await execute("UPDATE invoices SET status = $2 WHERE id = $1", invoice, status)
    assert "PAYMENT_OVERDUE" not in codes(await of_customer(carrier.owner, customer))


async def test_a_document_without_a_payment_due_is_never_overdue(carrier: Carrier) -> None:
    customer = await carrier.customer()
    for total, days in ((0, 60), (-5, 60), (5, 13)):
        since = clock.now() - timedelta(days=days)
        await put_issued(carrier.account_id, number(customer), total, since)
    assert "PAYMENT_OVERDUE" not in codes(await of_customer(carrier.owner, customer))


def number(customer: str) -> int:
    split = base.split_id(customer)
    assert split is not None
    return int(split[2][0])


async def put_issued(account_id: int, customer_id: int, total: int, at: datetime) -> int:
    """An invoice without parts, issued then, to a customer that owes 5 more."""
    await post(account_id, customer_id, "CHARGE", 5)
    async with db.transaction() as conn:
        id: int = await conn.fetchval(
            "INSERT INTO invoices (account_id, customer_id, kind, status, granularity,"
            " period_start, period_end, currency, subtotal, tax_percent, tax, rounding, total,"
            " created_at) VALUES ($1, $2, $3, 'DRAFT', 'MONTHLY', $5, $5, 'EUR', $4, 0, 0, 0, $4,"
            " $5) RETURNING id",
            *(account_id, customer_id, "CREDIT_NOTE" if total < 0 else "INVOICE", total, at),
        )
        await conn.execute(
            "UPDATE invoices SET status = 'ISSUED', number = id::text, position = id,"
            " content_hash = '', issued_at = $3 WHERE account_id = $1 AND id = $2",
            *(account_id, id, at),
        )
    return id


async def post(account_id: int, customer_id: int, kind: str, amount: int) -> None:
    """An entry of the ledger."""
    await execute(
        "INSERT INTO ledger_entries (account_id, customer_id, kind, cause, amount, currency, at)"
        " VALUES ($1, $2, $3, gen_random_uuid()::text, $4, 'EUR', $5)",
        *(account_id, customer_id, kind, amount, clock.now()),
    )


async def test_no_payment_is_overdue_once_the_customer_owes_nothing(carrier: Carrier) -> None:
    customer = await carrier.customer()
    of, since = (carrier.account_id, number(customer)), clock.now() - timedelta(days=60)
    await put_issued(*of, 5, since)
    await post(*of, "PAYMENT", 4)
    assert "PAYMENT_OVERDUE" in codes(await of_customer(carrier.owner, customer))
    await checklist_state.settle(of[0], [of[1]], clock.now())
    assert of[1] not in await checklist_state.changed_checklists(of[0], clock.now())
    await post(*of, "PAYMENT", 1)
    assert "PAYMENT_OVERDUE" not in codes(await of_customer(carrier.owner, customer))
    assert of[1] in await checklist_state.changed_checklists(of[0], clock.now())
    await checklist_state.settle(of[0], [of[1]], clock.now())
    events = await facts.read_after(*of, Kind.CHECKLIST_CHANGED, 0, 100)
    assert ["PAYMENT_OVERDUE" in fact.detail["open"] for fact in events[-2:]] == [True, False]


async def test_snoozing_hides_an_item_from_one_person_until_it_ends(carrier: Carrier) -> None:
    customer = await carrier.customer()
    first, another = await carrier.contact(customer), await carrier.contact(customer)
    checklist = await snooze(first, "VERIFY_MOBILE")
    assert codes(checklist) == ["VERIFY_EMAIL"]
    assert (checklist["outstanding"], codes(checklist, "snoozed")) == (1, ["VERIFY_MOBILE"])
    assert codes(await of_customer(first, customer), "snoozed") == ["VERIFY_MOBILE"]
    for caller in (another, carrier.owner):
        assert "VERIFY_MOBILE" in codes(await of_customer(caller, customer))
    account = carrier.account_id
    await execute("UPDATE checklist_snoozes SET until = now() WHERE account_id = $1", account)
    assert "VERIFY_MOBILE" in codes(await of_customer(first, customer))
    await snooze(first, "VERIFY_MOBILE")
    again = await first.do("unsnoozeChecklistItem", "Checklist", ITEMS, code="VERIFY_MOBILE")
    assert (again["outstanding"], again["snoozed"]) == (2, [])


async def test_an_item_resolved_while_it_is_snoozed_closes(carrier: Carrier) -> None:
    await snooze(carrier.owner, "SET_UP_CARRIER")
    assert codes(await of_account(carrier.owner), "snoozed") == ["SET_UP_CARRIER"]
    await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR"
    )
    assert codes(await of_account(carrier.owner), "snoozed") == []


async def test_only_permitted_callers_snooze_an_item(carrier: Carrier) -> None:
    mine, others = await carrier.customer(), await carrier.customer()
    contact = await carrier.contact(mine)
    stranger = await Carrier.create(carrier.url, clock.now())
    key = await carrier.key("LIVE_READ")
    for caller, code, of, days, refusal in [
        (contact, "VERIFY_EMAIL", {}, 1, "NOT_SNOOZABLE"),
        (contact, "PAYMENT_OVERDUE", {}, 1, "NOT_SNOOZABLE"),
        (contact, "VERIFY_MOBILE", {}, 91, "INVALID"),
        (contact, "VERIFY_MOBILE", {}, -1, "INVALID"),
        (contact, "NOTHING", {}, 1, "NOT_FOUND"),
        (contact, "VERIFY_MOBILE", {"customerId": others}, 1, "NOT_FOUND"),
        (stranger.owner, "VERIFY_MOBILE", {"customerId": mine}, 1, "NOT_FOUND"),
        (carrier.owner, "COMPLETE_PROFILE", {}, 1, "NOT_FOUND"),
        (carrier.owner, "VERIFY_EMAIL", {}, 1, "NOT_SNOOZABLE"),
        (key, "SET_UP_CARRIER", {}, 1, "FORBIDDEN"),
    ]:
        answer = await snooze(caller, code, days, **of)
        assert answer.get("code") == refusal, (code, answer)
    checklist = await snooze(carrier.owner, "VERIFY_MOBILE", customerId=mine)
    assert codes(checklist, "snoozed") == ["VERIFY_MOBILE"]


DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
INVOICE = st.tuples(
    st.sampled_from(["INVOICE", "CREDIT_NOTE"]),
    st.sampled_from(["ISSUED", "PAID", "VOID"]),
    st.integers(0, 40),  # days since it was issued
    st.integers(0, 2),  # total
)


class Undone(Exception):  # noqa: N818 - an example is over, its rows are not kept
    pass


ACCOUNT = 10**6


async def _put(conn: Any, payment_days: int, now: datetime) -> None:
    """Two customers of an account."""
    await conn.execute(
        "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'A', $2)", ACCOUNT, now
    )
    await conn.execute(
        "INSERT INTO customers (account_id, id, reference, name, currency, payment_days,"
        " created_at) SELECT $1, n, 'c' || n, 'C', 'EUR', $2, $3 FROM generate_series(1, 2) n",
        *(ACCOUNT, payment_days, now),
    )


async def _put_invoice(
    conn: Any, number: int, invoice: tuple[str, str, int, int], now: datetime
) -> None:
    """Of the first of them; issued a second more than those days ago."""
    kind, status, days, total = invoice
    await conn.execute("SET LOCAL session_replication_role = replica")  # in whichever status
    await conn.execute(
        "INSERT INTO invoices (account_id, customer_id, kind, status, number, position,"
        " granularity, period_start, period_end, currency, subtotal, tax_percent, tax, rounding,"
        " total, created_at, issued_at) VALUES ($1, 1, $2, $3, $4, $5, 'MONTHLY', $6, $6, 'EUR',"
        " 0, 0, 0, 0, $7, $6, $6)",
        *(ACCOUNT, kind, status, str(number), number, now - days * DAY - SECOND, total),
    )


async def _put_hour(conn: Any, ago: int, unrated: int, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,"
        " billed_seconds, charge, unrated, rebuilt_at)"
        " VALUES ($1, 1, $2, 1, 9, 0, 0, 0, 0, $3, $4)",
        *(ACCOUNT, now - timedelta(hours=ago), unrated, now),
    )


async def _put_contact(conn: Any, login: int, verified: tuple[bool, bool], now: datetime) -> None:
    email, mobile = (now if is_verified else None for is_verified in verified)
    await conn.execute(
        "INSERT INTO contacts (account_id, customer_id, login_id, name, email, email_verified_at,"
        " mobile_verified_at, created_at) VALUES ($1, 1, $2, 'P', 'p@x.example', $3, $4, $5)",
        *(ACCOUNT, login, email, mobile, now),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(INVOICE, max_size=6),
    st.integers(-1, 1),
    st.integers(0, 30),
    st.lists(st.integers(0, 3), max_size=5),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4),
)
async def test_the_checklist_query_counts_the_same_as_python(
    api_database: str,
    invoices: list[tuple[str, str, int, int]],
    balance: int,
    payment_days: int,
    unrated: list[int],
    people: list[tuple[bool, bool]],
) -> None:
    now = clock.now()
    with contextlib.suppress(Undone):
        async with db.transaction() as conn:
            await _put(conn, payment_days, now)
            for place, invoice in enumerate(invoices):
                await _put_invoice(conn, place, invoice, now)
            if balance:
                await conn.execute(
                    "INSERT INTO balances VALUES ($1, 1, 'EUR', $2)", ACCOUNT, balance
                )
            for place, calls in enumerate(unrated):
                await _put_hour(conn, place, calls, now)
            for place, verified in enumerate(people):
                await _put_contact(conn, place, verified, now)
            facts = await checklist_state.customer_facts(ACCOUNT, [1, 2], now)
            customer, other = facts[1], facts[2]
            assert customer.overdue == (balance < 0) * sum(
                kind == "INVOICE" and status == "ISSUED" and total > 0 and days >= payment_days
                for kind, status, days, total in invoices
            )
            assert customer.unrated_calls == sum(unrated)
            assert customer.unverified_emails == sum(not email for email, _ in people)
            assert customer.unverified_mobiles == sum(not mobile for _, mobile in people)
            nothing = conditions.CustomerFacts(
                unverified_emails=0,
                unverified_mobiles=0,
                missing=tuple(conditions.PROFILE_COLUMNS),
                has_rate_card=False,
                overdue=0,
                unrated_calls=0,
            )
            assert other == nothing
            assert (await checklist_state.account_facts(ACCOUNT)).unrated_calls == sum(unrated)
            raise Undone


async def test_each_checklist_change_is_published_once_and_numbered_without_a_gap(
    api_database: str,
) -> None:
    now = clock.now()
    with contextlib.suppress(Undone):
        async with db.transaction() as conn:
            await _put(conn, 14, now)
            for expected, numbers in (([0, 1, 2], [1, 2, 3]), ([1], [1, 2, 3, 4])):
                changes = await checklist_state.changed_checklists(ACCOUNT, now)
                assert changes == expected
                assert sorted(await checklist_state.settle(ACCOUNT, changes, now)) == expected
                assert await checklist_state.changed_checklists(ACCOUNT, now) == []
                events = await facts.read_after(ACCOUNT, None, Kind.CHECKLIST_CHANGED, 0, 10)
                assert [fact.number for fact in events] == numbers
                await _put_contact(conn, len(numbers), (False, True), now)
            raise Undone
