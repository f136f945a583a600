"""The list of calls over HTTP: what each caller sees of a call, and which requests are refused."""

from datetime import timedelta
from typing import Any

import pytest

from domain.records import other_calls
from models import db
from models.directory import switches
from models.records import call_records, reused_call_ids
from runtime import clock
from schema.engine import base
from tests.support.api.callers import Caller, Carrier
from tests.support.api.past_calls import days_ago
from tests.support.api.record_review import send
from tests.support.records import sample_records

SETUP = days_ago(2) + timedelta(hours=7)
FIELDS = """id callId leg final switch source destination direction setupAt offeredAt ringingAt
  answerAt endAt talkTime talkSeconds billedSeconds pddMs ringMs sipCode sipReason q850Cause
  releasedBy dtmfDigits ratedBy charge { amount currency } cost { amount currency }
  carrier { id name } customer { id } rate { prefix perMinute { amount } } rateCard { name }
  legs { leg final sipCode }"""
CALLS = f"""query Q($c: ID, $f: CallFilter, $first: Int! = 50, $after: String) {{
  customer(id: $c) {{ calls(filter: $f, first: $first, after: $after) {{
    edges {{ cursor node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} searchedBackTo
  }} }} }}"""
OF_NODE = """query Q($id: ID!, $f: CallFilter) { node(id: $id) {
  ... on Carrier { calls(filter: $f) { edges { node { callId leg final } } } }
  ... on Account { calls(filter: $f) { edges { node { callId leg final } } } }
  ... on Customer { calls(filter: $f) { edges { node { callId leg final } } } } } }"""
CALL = f"query($id: ID!) {{ call(id: $id) {{ {FIELDS} }} node(id: $id) {{ id }} }}"


@pytest.fixture
async def carriers(carrier: Carrier) -> dict[str, str]:
    """The ids of two carriers by what the switch calls them."""
    ids = {}
    for name in ("first", "second"):
        created = await carrier.owner.do(
            "createCarrier", "Carrier", "id", name=name, reference=name, currency="USD"
        )
        ids[name] = created["id"]
    return ids


def leg(reference: str, call_id: str, number: int, *, final: bool, **more: Any) -> dict[str, Any]:
    """Of an attempt that rings after 2 s and talks for 31.25 s if it is the last one."""
    times = {"ringing_at": 2.0, "answer_at": 5.5, "end_at": 36.75} if final else {"end_at": 1.0}
    return {
        "type": "end",
        "call_id": call_id,
        "leg": number,
        "final": final,
        "switch": "edge-1",
        "customer": reference,
        "carrier": "second" if final else "first",
        "source": "+441632960000",
        "destination": "+15550100",
        "direction": "outbound",
        "setup_at": SETUP.isoformat(),
        **{name: (SETUP + timedelta(seconds=at)).isoformat() for name, at in times.items()},
        "sip_code": 200 if final else 503,
        "sip_reason": "OK" if final else "Service Unavailable",
        "q850_cause": 16,
        "released_by": "callee",
        "dtmf_digits": 3,
        "cost": "0.011",
        **({"charge": "0.025", "billed_seconds": 36} if final else {}),
        **more,
    }


@pytest.fixture
async def call(carrier: Carrier, customer: str, reference: str, carriers: Any) -> str:
    """A call that failed over from the first to the second carrier."""
    legs = [leg(reference, "a@b:5060", 0, final=False), leg(reference, "a@b:5060", 1, final=True)]
    assert (await send(await carrier.key("INGEST"), *legs))["accepted"] == 2
    return "a@b:5060"


async def listed(caller: Caller, customer: str | None, **filter: Any) -> list[dict[str, Any]]:
    calls = (await caller.ask(CALLS, c=customer, f=filter or None))["customer"]["calls"]
    return [edge["node"] for edge in calls["edges"]]


async def test_staff_see_all_of_a_call_and_its_legs(
    carrier: Carrier, customer: str, carriers: dict[str, str], call: str
) -> None:
    [shown] = await listed(carrier.owner, customer)
    assert shown == {
        "id": shown["id"],
        "callId": call,
        "leg": 1,
        "final": True,
        "switch": "edge-1",
        "source": "+441632960000",
        "destination": "+15550100",
        "direction": "outbound",
        "setupAt": shown["setupAt"],
        "offeredAt": shown["setupAt"],
        "ringingAt": shown["ringingAt"],
        "answerAt": shown["answerAt"],
        "endAt": shown["endAt"],
        "talkTime": "31.25",
        "talkSeconds": 31,
        "billedSeconds": 36,
        "pddMs": 2000.0,
        "ringMs": 3500.0,
        "sipCode": 200,
        "sipReason": "OK",
        "q850Cause": 16,
        "releasedBy": "callee",
        "dtmfDigits": 3,
        "ratedBy": "SWITCH",
        "charge": {"amount": "0.025", "currency": "EUR"},
        "cost": {"amount": "0.011", "currency": "USD"},
        "carrier": {"id": carriers["second"], "name": "second"},
        "customer": {"id": customer},
        "rate": None,
        "rateCard": None,
        "legs": [
            {"leg": 0, "final": False, "sipCode": 503},
            {"leg": 1, "final": True, "sipCode": 200},
        ],
    }
    opened = await carrier.owner.ask(CALL, id=shown["id"])
    assert opened == {"call": shown, "node": {"id": shown["id"]}}


async def test_a_contact_sees_its_calls_without_cost_and_routing(
    carrier: Carrier, customer: str, call: str
) -> None:
    contact = await carrier.contact(customer)
    [shown], [whole] = await listed(contact, None), await listed(carrier.owner, customer)
    hidden = {"cost": None, "legs": None, "offeredAt": None, "rateCard": None}
    assert shown == whole | hidden
    first_leg = base.split_id(whole["id"])
    assert first_leg is not None
    id = base.encode_id("Call", first_leg[1], first_leg[2][0], 0)
    assert (await carrier.owner.ask(CALL, id=id))["call"]["leg"] == 0
    assert await contact.ask(CALL, id=id) == {"call": None, "node": None}


async def test_the_name_of_a_carrier_is_hidden_if_the_account_hides_it(
    carrier: Carrier, customer: str, carriers: dict[str, str], call: str
) -> None:
    await carrier.owner.do("updateAccount", "Account", "id", hideCarriers=True)
    for caller in (
        await carrier.contact(customer),
        await carrier.key("BILLING_READ", customer_id=customer),
    ):
        [shown] = await listed(caller, None)
        assert shown["carrier"] == {"id": carriers["second"], "name": None}
    [shown] = await listed(carrier.owner, customer)
    assert shown["carrier"]["name"] == "second"


async def test_only_billing_keys_read_calls(carrier: Carrier, customer: str, call: str) -> None:
    for scope in ("LIVE_READ", "STATS_READ"):
        key = await carrier.key(scope)
        assert await key.code(CALLS, c=customer) == "FORBIDDEN"
    [shown] = await listed(await carrier.key("BILLING_READ"), customer)
    assert (shown["callId"], shown["cost"]) == (call, None)
    [whole] = await listed(carrier.owner, customer)
    wallboard = await carrier.key("LIVE_READ")
    assert await wallboard.code("query($id: ID!) { call(id: $id) { id } }", id=whole["id"]) == (
        "FORBIDDEN"
    )


async def test_a_carrier_lists_every_leg_and_the_account_final_legs(
    carrier: Carrier, customer: str, carriers: dict[str, str], call: str
) -> None:
    async def of(id: str, caller: Caller = carrier.owner) -> list[tuple[int, bool]]:
        edges = (await caller.ask(OF_NODE, id=id))["node"]["calls"]["edges"]
        return [(edge["node"]["leg"], edge["node"]["final"]) for edge in edges]

    account = base.encode_id("Account", carrier.account_id, carrier.account_id)
    assert await of(carriers["first"]) == [(0, False)]
    assert await of(carriers["second"]) == [(1, True)]
    assert await of(account) == await of(customer) == [(1, True)]
    contact = await carrier.contact(customer)
    assert await contact.code(OF_NODE, id=carriers["second"]) == "FORBIDDEN"
    assert await of(customer, contact) == [(1, True)]


async def test_the_rate_that_was_applied_and_its_card_are_shown(
    carrier: Carrier, customer: str, reference: str, carriers: dict[str, str]
) -> None:
    card = await carrier.owner.do(
        "createRateCard", "RateCard", "id", name="Standard", currency="EUR"
    )
    since = days_ago(10).isoformat()
    rates = [{"prefix": "1555", "perMinute": "0.12", "minimum": 30, "increment": 6}]
    added = await carrier.owner.do(
        "addRates", "RateCard", "id", id=card["id"], rates=rates, effectiveFrom=since
    )
    assert added["__typename"] == "RateCard", added
    await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "validFrom",
        customerId=customer,
        id=card["id"],
        validFrom=since,
    )
    ends = [leg(reference, f"c{n}", 0, final=True, charge=None, billed_seconds=None) for n in "12"]
    await send(await carrier.key("INGEST"), *ends)
    for shown in await listed(carrier.owner, customer):
        assert shown["rate"] == {"prefix": "1555", "perMinute": {"amount": "0.12"}}
        assert shown["rateCard"] == {"name": "Standard"}
        assert (shown["ratedBy"], shown["billedSeconds"]) == ("CARD", 36)
        assert shown["charge"] == {"amount": "0.072000", "currency": "EUR"}
    for shown in await listed(await carrier.contact(customer), None):
        assert shown["rate"] == {"prefix": "1555", "perMinute": {"amount": "0.12"}}
        assert shown["rateCard"] is None


async def test_pages_continue_after_their_cursors(
    carrier: Carrier, customer: str, reference: str, carriers: dict[str, str]
) -> None:
    ends = [leg(reference, f"c{number}", 0, final=True) for number in range(7)]
    await send(await carrier.key("INGEST"), *ends)
    after, seen, sizes = None, [], []
    while True:
        answer = await carrier.owner.ask(CALLS, c=customer, first=3, after=after)
        calls = answer["customer"]["calls"]
        seen += [edge["node"]["callId"] for edge in calls["edges"]]
        sizes.append(len(calls["edges"]))
        after = calls["pageInfo"]["endCursor"]
        assert after == calls["edges"][-1]["cursor"]
        assert (calls["searchedBackTo"] is None) is not calls["pageInfo"]["hasNextPage"]
        if not calls["pageInfo"]["hasNextPage"]:
            break
    assert sizes == [3, 3, 1]
    assert sorted(seen) == [f"c{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("filter", "code"),
    [
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "BAD_RANGE"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "BAD_RANGE"),
        ({"to": "3000-01-02T00:00:00Z"}, "BAD_RANGE"),
        ({"from": "1969-12-31T00:00:00Z"}, "BAD_RANGE"),
        ({"source": "1" * 21}, "BAD_PREFIX"),
        ({"destination": "44%"}, "BAD_PREFIX"),
        ({"destination": ""}, "BAD_PREFIX"),
        ({"sipCodes": [99]}, "INVALID"),
        ({"sipCodes": [200, 700]}, "INVALID"),
        ({"carrierIds": ["x"]}, "NOT_FOUND"),
        ({"sipCodes": [200] * 101}, "TOO_MANY_ITEMS"),
    ],
)
async def test_an_invalid_filter_is_refused(
    carrier: Carrier, customer: str, filter: dict[str, Any], code: str
) -> None:
    assert await carrier.owner.code(CALLS, c=customer, f=filter) == code


async def test_a_carrier_of_another_account_does_not_exist(
    carrier: Carrier, other: Carrier, customer: str
) -> None:
    theirs = await other.owner.do(
        "createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR"
    )
    filter = {"carrierIds": [theirs["id"]]}
    assert await carrier.owner.code(CALLS, c=customer, f=filter) == "NOT_FOUND"


@pytest.mark.parametrize("cursor", ["", "x", base.encode_cursor(5), base.encode_cursor("a", "b")])
async def test_a_cursor_of_another_list_is_refused(
    carrier: Carrier, customer: str, cursor: str
) -> None:
    assert await carrier.owner.code(CALLS, c=customer, after=cursor) == "BAD_CURSOR"


async def test_empty_selections_and_ranges_without_calls_have_no_calls(
    carrier: Carrier, customer: str, call: str
) -> None:
    for filter in (
        {"carrierIds": []},
        {"sipCodes": []},
        {"from": "2999-01-01T00:00:00Z"},
        {"to": "1970-01-02T00:00:00Z"},
        {"callId": "x" * 1_000},
        {"releasedBy": "x" * 1_000},
    ):
        assert await listed(carrier.owner, customer, **filter) == [], filter


async def test_a_call_is_found_by_either_of_its_ids(carrier: Carrier, customer: str) -> None:
    """Staff accepted it as another call with a call id that the switch had used before."""
    account, number = carrier.account_id, base.decode_id(customer, "Customer", carrier.account_id)
    now = clock.now()
    await switches.find_or_register(account, ["edge-1"], now)
    own = f"used~{SETUP:%Y%m%dT%H%M%S%f}Z"
    both = [
        sample_records.record("used", customer_id=number, setup_at=SETUP - timedelta(days=1)),
        sample_records.record(own, customer_id=number, setup_at=SETUP, received_call_id="used"),
    ]
    await call_records.insert(account, both, now)
    async with db.connection() as conn:
        await reused_call_ids.insert(conn, account, [other_calls.reuse_of(both[1])])
    assert [one["callId"] for one in await listed(carrier.owner, customer, callId="used")] == [
        own,
        "used",
    ]
    assert [one["callId"] for one in await listed(carrier.owner, customer, callId=own)] == [own]
