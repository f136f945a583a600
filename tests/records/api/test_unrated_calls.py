"""Unrated calls: listed, rated once a rate exists or waived, then invoiced."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import money
from domain.billing import rating
from models import db
from models.records import unrated_calls
from models.tables import Account
from runtime import clock
from tests.support import outside_connection
from tests.support.api.audit_log import log
from tests.support.api.callers import Caller, Carrier
from tests.support.api.checklists import codes, of_account, of_customer
from tests.support.api.past_calls import days_ago, ended
from tests.support.api.record_review import SETUP, SUMMARY, rebuilt, send, summed

UNRATED = """query Q($f: UnratedFilter, $first: Int! = 50, $after: String) {
  unratedCalls(filter: $f, first: $first, after: $after) {
    edges { node { callId destination setupAt talkTime charge { amount } customer { id } } }
    pageInfo { hasNextPage endCursor } } }"""
RECONCILED = """query($c: ID!, $start: DateTime!, $end: DateTime!) {
  reconciliation(customerId: $c, from: $start, to: $end) { balanced } }"""
RATED = "calls charge { amount currency } left goOnFrom"


def unrated(reference: str, call_id: str, **changes: Any) -> dict[str, Any]:
    """One minute to the United States; the switch does not rate it."""
    return ended(reference, call_id, SETUP, "0") | {"charge": None} | changes


@pytest.fixture
async def card(carrier: Carrier, customer: str) -> str:
    """In force for the customer, with only a rate for calls to Britain."""
    card_node = await carrier.owner.do(
        "createRateCard", "RateCard", "id", name="Standard", currency="EUR", places=2
    )
    await add(carrier, card_node["id"], "44")
    await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "validFrom",
        customerId=customer,
        rateCardId=card_node["id"],
        validFrom=days_ago(10).isoformat(),
    )
    id: str = card_node["id"]
    return id


async def add(carrier: Carrier, card: str, prefix: str) -> None:
    """In force at the setup of every call here: none has been rated by a shorter prefix."""
    rate, since = {"prefix": prefix, "perMinute": "0.12"}, days_ago(10).isoformat()
    input = {"rateCardId": card, "rates": [rate], "effectiveFrom": since}
    added = await carrier.owner.do("addRates", "RateCard", "id", **input)
    assert added["__typename"] == "RateCard", added


async def list_ids(caller: Caller, **filter: Any) -> list[str]:
    edges = (await caller.ask(UNRATED, f=filter or None))["unratedCalls"]["edges"]
    return [edge["node"]["callId"] for edge in edges]


async def invoiced(carrier: Carrier, customer: str) -> dict[str, Any]:
    await rebuilt()
    rows = (await carrier.owner.ask(SUMMARY, c=customer))["customer"]["summary"]["edges"]
    return await carrier.owner.do(
        "generateInvoice",
        "Invoice",
        "subtotal { amount }",
        customerId=customer,
        rowIds=[rows[0]["node"]["id"]],
        idempotencyKey=carrier.unique("key"),
    )


async def test_unrated_calls_can_be_rated_once_a_rate_exists_and_then_invoiced(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    finance = await carrier.staff("FINANCE")
    await send(switch, *(unrated(reference, f"us-{n}") for n in range(3)))
    await send(switch, unrated(reference, "fr", destination="33123456789"))
    await send(switch, unrated(reference, "gb", destination="441632960001"))
    await send(switch, unrated(reference, "failed", answer_at=None))
    assert await summed(carrier.owner, customer) == [(6, "0.12")]
    for checklist in (await of_account(finance), await of_customer(finance, customer)):
        [item] = [item for item in checklist["items"] if item["code"] == "UNRATED_CALLS"]
        assert item["action"] == "query unratedCalls"
        assert item["detail"].startswith("4 calls match no rate")
    assert sorted(await list_ids(finance)) == ["fr", "us-0", "us-1", "us-2"]
    assert (await invoiced(carrier, customer))["code"] == "UNRATED_CALLS"
    await add(carrier, card, "1")
    answer = await finance.do("rateCalls", "RatedCalls", RATED, customerId=customer)
    charge = {"amount": "0.36", "currency": "EUR"}
    assert answer == {
        "__typename": "RatedCalls",
        "calls": 3,
        "charge": charge,
        "left": 1,
        "goOnFrom": None,
    }
    again = await finance.do("rateCalls", "RatedCalls", "calls left", customerId=customer)
    assert (again["calls"], again["left"]) == (0, 1)
    assert await summed(carrier.owner, customer) == [(6, "0.48")]
    assert await list_ids(finance) == ["fr"]
    waived = await finance.do(
        "waiveCalls", "WaivedCalls", "calls", customerId=customer, expectedCalls=1
    )
    assert waived["calls"] == 1
    assert (await invoiced(carrier, customer))["subtotal"] == {"amount": "0.48"}
    assert "UNRATED_CALLS" not in codes(await of_account(carrier.owner))
    for again_ in (unrated(reference, "fr", destination="33123456789"), unrated(reference, "us-0")):
        assert (await send(switch, again_))["duplicates"] == 1
    assert await list_ids(finance) == []
    entries = {entry["action"]: entry for entry in await log(carrier.owner)}
    assert entries["calls.rate"]["customerId"] == customer
    changes = {change["field"]: change for change in entries["calls.rate"]["changes"]}
    assert (changes["unratedCalls"]["before"], changes["charge"]["after"]) == ("3", "0.36")
    assert entries["calls.waive"]["actorName"] == "A person"


async def test_a_correction_of_a_waived_call_is_rated_again_if_it_affects_rating(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, unrated(reference, "a"))
    await waive(carrier, customer, 1)
    await send(switch, unrated(reference, "a", correction=True, sip_code=486))
    assert await list_ids(carrier.owner) == []
    later = (SETUP + timedelta(hours=2)).isoformat()
    await send(switch, unrated(reference, "a", correction=True, end_at=later))
    assert await list_ids(carrier.owner) == ["a"]


async def waive(carrier: Carrier, customer: str, calls: int) -> None:
    answer = await carrier.owner.do(
        "waiveCalls", "WaivedCalls", "calls", customerId=customer, expectedCalls=calls
    )
    assert answer["calls"] == calls, answer


async def test_waived_calls_are_distinguished_from_those_of_the_default_rate(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    await send(switch, *(unrated(reference, f"us-{n}") for n in range(2)))
    await waive(carrier, customer, 2)
    await add(carrier, card, "")
    await send(switch, unrated(reference, "fr", destination="33123456789"))
    assert await summed(carrier.owner, customer) == [(3, "0.12")]
    assert await destinations(carrier) == [("prefix:", 1, "0.12"), ("waived", 2, "0")]
    await Account.filter(id=carrier.account_id).update(invoice_grouping="DESTINATION")
    rows = (await carrier.owner.ask(SUMMARY, c=customer))["customer"]["summary"]["edges"]
    invoice = await carrier.owner.do(
        "generateInvoice",
        "Invoice",
        "lines { description calls amount { amount } }",
        customerId=customer,
        rowIds=[rows[0]["node"]["id"]],
        idempotencyKey=carrier.unique("key"),
    )
    assert [(line["description"], line["calls"]) for line in invoice["lines"]] == [
        ("Calls to any other number", 1),
        ("Waived calls", 2),
    ]


async def destinations(carrier: Carrier) -> list[tuple[str, int, str]]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT destination, attempts, charge FROM rollup_destinations"
            " WHERE account_id = $1 AND attempts > 0 ORDER BY 1",
            carrier.account_id,
        )
    return [(row[0], row[1], money.plain(row[2])) for row in rows]


async def unwaive(carrier: Carrier, customer: str, calls: int, **changes: Any) -> dict[str, Any]:
    period = {"from": days_ago(10).isoformat(), "to": days_ago(0).isoformat()}
    return await carrier.owner.do(
        "unwaiveCalls",
        "UnwaivedCalls",
        "calls",
        **{"customerId": customer, "expectedCalls": calls} | period | changes,
    )


async def test_waived_calls_can_be_unwaived_and_rated(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    await send(switch, *(unrated(reference, f"us-{n}") for n in range(2)))
    await send(switch, unrated(reference, "gb", destination="441632960001"))
    await send(switch, unrated(reference, "failed", answer_at=None))
    await waive(carrier, customer, 2)
    async with db.connection() as conn:  # as waived calls were stored before
        await conn.execute(
            "UPDATE call_records SET rated_by = 'CARD', prefix = '' WHERE call_id = 'us-1'"
            " AND account_id = $1",
            carrier.account_id,
        )
    await summed(carrier.owner, customer)
    assert (await unwaive(carrier, customer, 3))["code"] == "CHANGED_MEANWHILE"
    assert (await unwaive(carrier, customer, 0))["code"] == "INVALID"
    assert (await unwaive(carrier, customer, 2, **{"from": days_ago(40).isoformat()}))[
        "code"
    ] == "INVALID"
    assert (await unwaive(carrier, customer, 2))["calls"] == 2
    assert sorted(await list_ids(carrier.owner)) == ["us-0", "us-1"]
    assert await summed(carrier.owner, customer) == [(4, "0.12")]
    assert ("unrated", 2, "0") in await destinations(carrier)
    await add(carrier, card, "1")
    rated = await carrier.owner.do("rateCalls", "RatedCalls", RATED, customerId=customer)
    assert (rated["calls"], rated["charge"]["amount"]) == (2, "0.24")
    [entry] = [line for line in await log(carrier.owner) if line["action"] == "calls.unwaive"]
    [change] = [line for line in entry["changes"] if line["field"] == "unratedCalls"]
    assert (change["before"], change["after"]) == ("0", "2")
    days = {"start": days_ago(10).isoformat(), "end": days_ago(0).isoformat()}
    await rebuilt()
    answer = await carrier.owner.ask(RECONCILED, c=customer, **days)
    assert answer["reconciliation"]["balanced"], answer


async def test_national_numbers_can_be_rated_once_the_switch_has_a_country(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    call = unrated(reference, "national", destination="01632 960000")
    assert (await send(switch, call))["accepted"] == 1
    rated = await carrier.owner.do("rateCalls", "RatedCalls", RATED, customerId=customer)
    assert (rated["calls"], rated["left"]) == (0, 1)
    await carrier.owner.do(
        "configureSwitch", "Switch", "reference", reference=call["switch"], countryCode="44"
    )
    rated = await carrier.owner.do("rateCalls", "RatedCalls", RATED, customerId=customer)
    assert (rated["calls"], rated["charge"]["amount"], rated["left"]) == (1, "0.12", 0)


async def test_only_the_expected_number_of_calls_can_be_waived(
    carrier: Carrier, other: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, *(unrated(reference, f"a-{n}") for n in range(2)))
    owner = carrier.owner

    async def code(**input: Any) -> str:
        answer = await owner.do("waiveCalls", "WaivedCalls", "calls", **input)
        error_code: str = answer["code"]
        return error_code

    for expected, refusal in [(1, "CHANGED_MEANWHILE"), (3, "CHANGED_MEANWHILE"), (0, "INVALID")]:
        assert await code(customerId=customer, expectedCalls=expected) == refusal
    assert await code(customerId=customer, expectedCalls=10_001) == "INVALID"
    elsewhere = await code(customerId=customer, expectedCalls=2, destination="+44")
    assert elsewhere == "CHANGED_MEANWHILE"
    assert await code(customerId=customer, expectedCalls=2, destination="no") == "BAD_PREFIX"
    theirs = await other.customer()
    for id in (theirs, "garbage"):
        assert await code(customerId=id, expectedCalls=2) == "NOT_FOUND"
        assert await owner.code(UNRATED, f={"customerId": id}) == "NOT_FOUND"
    assert len(await list_ids(owner)) == 2
    result = await owner.do(
        "waiveCalls",
        "WaivedCalls",
        "calls",
        customerId=customer,
        expectedCalls=2,
        destination="+1555",
    )
    assert result["calls"] == 2


async def test_the_list_is_filtered_and_paged_newest_first_for_equal_setup_times(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    other_reference = carrier.unique("other")
    other = await carrier.customer(reference=other_reference)
    at_once = [unrated(reference, f"call:{n}") for n in range(5)]
    later = unrated(other_reference, "later", destination="+33123456789")
    times = {name: (SETUP + timedelta(hours=1)).isoformat() for name in ("setup_at", "answer_at")}
    later |= times | {"end_at": (SETUP + timedelta(hours=2)).isoformat()}
    await send(switch, *at_once, later)
    owner, after = carrier.owner, times["setup_at"]
    assert await list_ids(owner, customerId=other) == ["later"]
    assert await list_ids(owner, destination="33") == ["later"]
    assert await list_ids(owner, **{"from": after}) == ["later"]
    assert len(await list_ids(owner, to=after)) == 5
    ids, place = [], None
    for _ in range(3):
        page = (await owner.ask(UNRATED, first=2, after=place))["unratedCalls"]
        ids += [edge["node"]["callId"] for edge in page["edges"]]
        place = page["pageInfo"]["endCursor"]
    assert ids == await list_ids(owner)
    assert (ids[0], sorted(ids[1:])) == ("later", [f"call:{n}" for n in range(5)])


async def test_concurrent_rating_and_waiving_gives_each_call_one_charge(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    await send(switch, *(unrated(reference, f"us-{n}") for n in range(2_000)))
    await add(carrier, card, "1")
    fields = {"customerId": customer}
    answers = await asyncio.gather(
        *(carrier.owner.do("rateCalls", "RatedCalls", "calls", **fields) for _ in range(4)),
        *(
            carrier.owner.do("waiveCalls", "WaivedCalls", "calls", **fields, expectedCalls=2_000)
            for _ in range(2)
        ),
    )
    *rated, first, other = answers
    waived = sum(answer.get("calls", 0) for answer in (first, other))
    assert sum(answer["calls"] for answer in rated) + waived == 2_000
    assert waived in (0, 2_000)
    assert await summed(carrier.owner, customer) == [(2_000, "0" if waived else "240.00")]


async def test_10000_calls_are_rated_at_a_time_and_paged_by_an_index(
    carrier: Carrier, customer: str, reference: str, switch: Caller, card: str
) -> None:
    await send(switch, unrated(reference, "a"))
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
            " revision, carrier_id, final, source, destination, offered_at, answer_at, end_at,"
            " talk_us) SELECT account_id, customer_id, setup_at + n * interval '1 second', switch,"
            " n::text, 0, 0, 0, true, source, '33' || n % 2, offered_at, answer_at, end_at, talk_us"
            " FROM call_records, generate_series(1, 12000) n WHERE account_id = $1",
            carrier.account_id,
        )
        await conn.execute("ANALYZE call_records")
        plan = await conn.fetch(
            "EXPLAIN SELECT call_id FROM call_records WHERE account_id = $1 AND final"
            " AND charge IS NULL ORDER BY setup_at DESC LIMIT 51",
            carrier.account_id,
        )
        text = "\n".join(row[0] for row in plan)
        assert "account_id_setup_at" in text, text
    await add(carrier, card, "331")
    answer, fields, steps = dict[str, Any](goOnFrom=None), {"customerId": customer}, 0
    for expected in (5_000, 1_000):
        input = fields if answer["goOnFrom"] is None else fields | {"from": answer["goOnFrom"]}
        answer = await carrier.owner.do("rateCalls", "RatedCalls", RATED, **input)
        assert answer["calls"] == expected
        steps += 1
    assert (steps, answer["goOnFrom"], answer["left"]) == (2, None, 1_001)


async def test_rating_does_not_read_calls_that_have_a_rate(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, *(unrated(reference, f"us-{n}") for n in range(500)))
    async with db.transaction() as conn:
        customer_id = await conn.fetchval(
            "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
            " revision, carrier_id, final, source, destination, offered_at, answer_at, end_at,"
            " talk_us, rated_by, charge) SELECT account_id, customer_id, setup_at, switch,"
            " concat_ws('-', call_id, n), 0, 0, 0, true, source, destination, offered_at,"
            " answer_at, end_at, talk_us, 'SWITCH', 1 FROM call_records, generate_series(1, 40) n"
            " WHERE account_id = $1 RETURNING customer_id",
            carrier.account_id,
        )
        await conn.execute("ANALYZE call_records")
    async with db.transaction() as conn:
        calls = await unrated_calls.lock_earliest(
            carrier.account_id, unrated_calls.Filter(customer_id), 500
        )
        rated = [(record, rating.charge_by_switch(0, Decimal(1), None)) for record in calls]
        await unrated_calls.store_rates(carrier.account_id, customer_id, rated, clock.now())
        looked_at = await conn.fetchval(
            "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
            " WHERE relname LIKE 'call\\_records\\_2%'"
        )
    assert (len(calls), await list_ids(carrier.owner)) == (500, [])
    assert looked_at < 5_000, looked_at


async def test_calls_are_rated_while_their_switch_corrects_them(
    carrier: Carrier,
    customer: str,
    reference: str,
    switch: Caller,
    card: str,
    api_database: str,
) -> None:
    """Ingest locks records by their keys, rating by their setups: each holds a record that the
    other needs, while a third call, which has a rate, delays the corrections."""
    late, early = SETUP + timedelta(seconds=1), SETUP
    events = [
        unrated(reference, "a", setup_at=late.isoformat()),
        unrated(reference, "b", charge="0.50"),
        unrated(reference, "c", setup_at=early.isoformat()),
    ]
    await send(switch, *events)
    await add(carrier, card, "1")
    corrections = send(switch, *(event | {"correction": True, "sip_code": 486} for event in events))
    rating_ = carrier.owner.do("rateCalls", "RatedCalls", RATED, customerId=customer)
    of_b = f"SELECT FROM call_records WHERE account_id = {carrier.account_id} AND call_id = 'b'"
    async with outside_connection.connection(api_database) as outside:
        answer, results = await outside_connection.held_up(
            outside, f"{of_b} FOR UPDATE", corrections, rating_
        )
    assert (answer["corrected"], results["__typename"]) == (3, "RatedCalls")
    assert await summed(carrier.owner, customer) == [(3, "0.74")]
