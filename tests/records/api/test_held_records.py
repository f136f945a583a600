"""Records that contradict a counted record: staff compare, then accept or discard them."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models import db
from runtime import clock
from tests.support.api.audit_log import log
from tests.support.api.callers import Caller, Carrier
from tests.support.api.checklists import codes, of_account
from tests.support.api.past_calls import days_ago, ended
from tests.support.api.record_review import SETUP, send, summed

RECORD = """callId receivedCallId revision endAt talkTime charge { amount currency }
  customer { reference } carrier { id }"""
HELD = f"id switch callId leg state held {{ {RECORD} }} counts {{ {RECORD} }}"
LIST = f"""query Q($f: HeldFilter, $first: Int! = 50, $after: String) {{
  heldRecords(filter: $f, first: $first, after: $after) {{
    edges {{ node {{ {HELD} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
DECIDED = f"records {{ code message record {{ {HELD} }} }}"


def charged(reference: str, charge: str, call_id: str = "a", **changes: Any) -> dict[str, Any]:
    return ended(reference, call_id, SETUP, charge) | changes


async def all_held(caller: Caller, **filter: Any) -> list[dict[str, Any]]:
    edges = (await caller.ask(LIST, f=filter or None))["heldRecords"]["edges"]
    return [edge["node"] for edge in edges]


async def decide(caller: Caller, mutation: str, *ids: str, **input: str) -> list[dict[str, Any]]:
    answer = await caller.do(mutation, "DecidedRecords", DECIDED, ids=list(ids), **input)
    assert answer["__typename"] == "DecidedRecords", answer
    records: list[dict[str, Any]] = answer["records"]
    return records


def states(decided: list[dict[str, Any]]) -> list[str]:
    return [item["record"]["state"] for item in decided]


async def test_a_held_record_is_shown_beside_the_counted_one_and_counts_once_accepted(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    late = charged(reference, "0.30", end_at=(SETUP + timedelta(seconds=183)).isoformat())
    await send(switch, charged(reference, "0.10"))
    assert len((await send(switch, late))["held"]) == 1
    [row] = await all_held(carrier.owner)
    assert (row["switch"], row["callId"], row["leg"], row["state"]) == ("edge-1", "a", 0, "HELD")
    assert row["counts"]["charge"] == {"amount": "0.10", "currency": "EUR"}
    assert (row["counts"]["talkTime"], row["held"]["talkTime"]) == ("60", "180")
    assert row["held"]["customer"] == {"reference": reference}
    assert row["held"]["carrier"] is None
    assert await summed(carrier.owner, customer) == [(1, "0.10")]
    assert "HELD_RECORDS" in codes(await of_account(carrier.owner))
    for _ in range(2):
        [decided] = await decide(carrier.owner, "acceptHeld", row["id"])
        assert (decided["code"], decided["record"]["state"]) == (None, "ACCEPTED")
        assert decided["record"]["counts"] == decided["record"]["held"] | {"revision": 1}
    assert await summed(carrier.owner, customer) == [(1, "0.30")]
    assert "HELD_RECORDS" not in codes(await of_account(carrier.owner))
    assert await all_held(carrier.owner) == []
    for again in (late, charged(reference, "0.10")):
        assert (await send(switch, again))["duplicates"] == 1
    assert states(await decide(carrier.owner, "discardHeld", row["id"])) == ["ACCEPTED"]
    assert await summed(carrier.owner, customer) == [(1, "0.30")]


async def test_a_discarded_record_does_not_count_and_stays_discarded_when_repeated(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, charged(reference, "0.10"), charged(reference, "0.30"))
    [row] = await all_held(carrier.owner)
    for mutation in ("discardHeld", "discardHeld", "acceptHeld"):
        assert states(await decide(carrier.owner, mutation, row["id"])) == ["DISCARDED"]
    assert "HELD_RECORDS" not in codes(await of_account(carrier.owner))
    assert (await send(switch, charged(reference, "0.30")))["duplicates"] == 1
    assert await all_held(carrier.owner) == []
    assert await summed(carrier.owner, customer) == [(1, "0.10")]


async def test_a_held_record_is_accepted_as_another_call_and_both_are_billed(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    again = ended(reference, "a", SETUP + timedelta(hours=2), "0.30")
    await send(switch, charged(reference, "0.10"), again)
    [row] = await all_held(carrier.owner)
    support = await carrier.staff("SUPPORT")
    for caller in (carrier.owner, support, carrier.owner):
        [decided] = await decide(caller, "acceptHeld", row["id"], decision="ANOTHER_CALL")
        assert (decided["code"], decided["record"]["state"]) == (None, "ANOTHER_CALL")
        counts = decided["record"]["counts"]
        assert (counts["receivedCallId"], counts["charge"]["amount"]) == ("a", "0.30")
        assert counts["callId"] == f"a~{SETUP + timedelta(hours=2):%Y%m%dT%H%M%S%f}Z"
    assert await summed(carrier.owner, customer) == [(2, "0.40")]
    assert await all_held(carrier.owner) == []
    assert (await send(switch, again, charged(reference, "0.10")))["duplicates"] == 2
    corrected = [again | {"charge": "0.50"}, charged(reference, "0.20")]
    for correction in corrected:
        await send(switch, correction | {"correction": True})
    assert await summed(carrier.owner, customer) == [(2, "0.70")]
    [entry] = await log(carrier.owner, action="held.accept_another_call")
    changes = {change["field"]: (change["before"], change["after"]) for change in entry["changes"]}
    assert changes["state"] == ("HELD", "ANOTHER_CALL")
    assert (changes["charge"], changes["receivedCallId"]) == ((None, "0.30"), (None, "a"))


async def test_a_second_end_of_the_same_call_is_not_accepted_as_another_call(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, charged(reference, "0.10"), charged(reference, "0.30"))
    [row] = await all_held(carrier.owner)
    [decided] = await decide(carrier.owner, "acceptHeld", row["id"], decision="ANOTHER_CALL")
    assert (decided["code"], decided["record"]["state"]) == ("SAME_CALL", "HELD")
    assert await summed(carrier.owner, customer) == [(1, "0.10")]


async def test_all_held_legs_of_an_attempt_are_accepted_as_one_other_call(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    def legs(setup: Any, charge: str) -> list[dict[str, Any]]:
        offered = ended(reference, "a", setup, "0") | {"charge": None, "final": False}
        return [offered, ended(reference, "a", setup, charge) | {"leg": 1}]

    again = legs(SETUP + timedelta(hours=2), "0.30")
    await send(switch, *legs(SETUP, "0.10"), *again)
    rows = await all_held(carrier.owner)
    decided = await decide(carrier.owner, "acceptHeld", rows[0]["id"], decision="ANOTHER_CALL")
    assert [item["record"]["id"] for item in decided] == [rows[0]["id"], rows[1]["id"]]
    assert states(decided) == ["ANOTHER_CALL"] * 2
    assert len({item["record"]["counts"]["callId"] for item in decided}) == 1
    assert await summed(carrier.owner, customer) == [(2, "0.40")]
    assert (await send(switch, *again))["duplicates"] == 2


async def test_a_correction_supersedes_an_accepted_record(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, charged(reference, "0.10"), charged(reference, "0.30"))
    [row] = await all_held(carrier.owner)
    await decide(carrier.owner, "acceptHeld", row["id"])
    await send(switch, charged(reference, "0.50", correction=True))
    assert await summed(carrier.owner, customer) == [(1, "0.50")]
    assert (await send(switch, charged(reference, "0.30")))["duplicates"] == 1
    await send(switch, charged(reference, "0.70", correction=1))
    [other] = await all_held(carrier.owner)
    assert (other["held"]["revision"], other["counts"]["revision"]) == (1, 2)
    assert states(await decide(carrier.owner, "acceptHeld", row["id"])) == ["ACCEPTED"]
    assert await summed(carrier.owner, customer) == [(1, "0.50")]


async def test_a_second_final_leg_cannot_be_accepted_until_the_other_is_corrected(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, charged(reference, "0.10", leg=1))
    first = charged(reference, "0.00", final=False) | {"charge": None}
    await send(switch, first, charged(reference, "0.30"))
    [row] = await all_held(carrier.owner)
    [decided] = await decide(carrier.owner, "acceptHeld", row["id"])
    assert (decided["code"], decided["record"]["state"]) == ("SECOND_FINAL_LEG", "HELD")
    assert await summed(carrier.owner, customer) == [(1, "0.10")]
    await send(switch, first | {"leg": 1, "correction": True})
    assert states(await decide(carrier.owner, "acceptHeld", row["id"])) == ["ACCEPTED"]
    assert await summed(carrier.owner, customer) == [(1, "0.30")]


async def test_an_accepted_record_moves_its_call_to_another_customer_and_day(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    other_reference = carrier.unique("other")
    other = await carrier.customer(reference=other_reference)
    await send(switch, charged(reference, "0.10"))
    await send(switch, ended(other_reference, "a", days_ago(5), "0.30"))
    assert await summed(carrier.owner, customer) == [(1, "0.10")]
    [row] = await all_held(carrier.owner)
    await decide(carrier.owner, "acceptHeld", row["id"])
    assert await summed(carrier.owner, customer) == [(0, "0")]
    assert await summed(carrier.owner, other) == [(1, "0.30")]


async def test_concurrent_decisions_accept_or_discard_a_record_once(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    support = await carrier.staff("SUPPORT")
    for n in range(3):
        call = f"call-{n}"
        await send(switch, charged(reference, "0.10", call), charged(reference, "0.30", call))
    ids = [row["id"] for row in await all_held(carrier.owner)]
    both = [
        (who, mutation)
        for who in (carrier.owner, support)
        for mutation in ("acceptHeld", "discardHeld", "acceptHeld")
    ]
    became = await asyncio.gather(*(decide(who, mutation, *ids) for who, mutation in both))
    finally_ = states(became[-1]) if "HELD" not in states(became[-1]) else []
    assert all(states(answer) == finally_ for answer in became)
    entries = await log(carrier.owner)
    decided = [entry["subjectId"] for entry in entries if "held." in entry["action"]]
    assert sorted(decided) == sorted(ids)
    charges = ["0.30" if state == "ACCEPTED" else "0.10" for state in finally_]
    expected = sum(int(charge[2:]) for charge in charges)
    assert await summed(carrier.owner, customer) == [(3, f"0.{expected:02}")]


async def test_the_audit_log_names_the_earlier_and_the_present_counted_record(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, charged(reference, "0.10"), charged(reference, "0.30", sip_code=486))
    [row] = await all_held(carrier.owner)
    await decide(carrier.owner, "acceptHeld", row["id"])
    [entry] = await log(carrier.owner, action="held.accept")
    assert entry["subjectId"] == row["id"]
    assert {
        change["field"]: (change["before"], change["after"]) for change in entry["changes"]
    } == {
        "state": ("HELD", "ACCEPTED"),
        "charge": ("0.10", "0.30"),
        "sipCode": ("200", "486"),
    }


async def test_held_records_of_another_account_are_not_found(
    carrier: Carrier, other: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    other_reference = other.unique("acme")
    await other.customer(reference=other_reference)
    await send(
        await other.key("INGEST"),
        charged(other_reference, "0.10"),
        charged(other_reference, "0.30"),
    )
    await send(switch, charged(reference, "0.10"), charged(reference, "0.30"))
    [mine], [theirs] = await all_held(carrier.owner), await all_held(other.owner)
    for mutation in ("acceptHeld", "discardHeld"):
        answers = [
            await carrier.owner.do(mutation, "DecidedRecords", DECIDED, ids=[mine["id"], id])
            for id in (theirs["id"], "garbage", customer)
        ]
        assert (answers[0]["code"], answers.count(answers[0])) == ("NOT_FOUND", 3)
        none = await carrier.owner.do(mutation, "DecidedRecords", DECIDED, ids=[])
        assert none["code"] == "INVALID"
    assert (await all_held(carrier.owner), await all_held(other.owner)) == (
        [mine],
        [theirs],
    )


async def test_the_list_is_filtered_and_paged_newest_first(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    for name in ("edge-1", "edge-2", "edge-2"):
        call = carrier.unique("call")
        await send(switch, charged(reference, "0.10", call, switch=name))
        await send(switch, charged(reference, "0.30", call, switch=name))
    assert len(await all_held(carrier.owner, switch="edge-2")) == 2
    assert len(await all_held(carrier.owner, to=days_ago(1).isoformat())) == 0
    assert len(await all_held(carrier.owner, **{"from": days_ago(1).isoformat()})) == 3
    ids, after = [], None
    for _ in range(3):
        page = (await carrier.owner.ask(LIST, first=1, after=after))["heldRecords"]
        ids += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert ids == [row["id"] for row in await all_held(carrier.owner)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.sampled_from(["send", "send again", "correct", "accept", "another", "discard"]),
        max_size=12,
    )
)
async def test_after_any_records_and_decisions_every_call_costs_its_last_valid_content(
    api_database: str, api: Any, steps: list[str]
) -> None:
    """Of one call id: "send" and "correct" are of the first call, each "send again" of another."""
    carrier = await Carrier.create(api.url, clock.now())
    reference = carrier.unique("acme")
    customer, switch = await carrier.customer(reference=reference), await carrier.key("INGEST")
    await send(switch, charged(reference, "0.01"))
    counts, others, waiting = 1, list[int](), list[tuple[int, bool]]()
    for cents, step in enumerate(steps, 2):
        setup = SETUP + timedelta(minutes=cents if step == "send again" else 0)
        event = ended(reference, "a", setup, f"0.{cents:02}")
        if step.startswith("send"):
            await send(switch, event)
            waiting.append((cents, step == "send again"))
        elif step == "correct":
            await send(switch, charged(reference, f"0.{cents:02}", correction=True))
            counts = cents
        elif waiting:
            [row, *_] = await all_held(carrier.owner)
            newest, is_another = waiting[-1]
            decision = {"decision": "ANOTHER_CALL"} if step == "another" else {}
            mutation = "discardHeld" if step == "discard" else "acceptHeld"
            if step == "accept" and is_another:
                continue  # it would become the first call, and move it
            [decided] = await decide(carrier.owner, mutation, row["id"], **decision)
            if step == "another" and not is_another:
                assert decided["code"] == "SAME_CALL"
                continue
            waiting.pop()
            others += [newest] if step == "another" else []
            counts = newest if step == "accept" else counts
        assert len(await all_held(carrier.owner)) == len(waiting)
    expected = sum([counts, *others])
    [(attempts, charge)] = await summed(carrier.owner, customer)
    assert (attempts, Decimal(charge)) == (1 + len(others), Decimal(expected) / 100)


async def test_100000_held_records_are_paged_by_an_index(carrier: Carrier) -> None:
    now = clock.now()
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO record_revisions (account_id, switch, call_id, leg, digest, revision,"
            " state, content, received_at) SELECT $1, 'edge', n::text, 0, int8send(n), 0, 'HELD',"
            " '{}', $2::timestamptz - n * interval '1 second' FROM generate_series(1, 100000) n",
            carrier.account_id,
            now,
        )
        await conn.execute("ANALYZE record_revisions")
        plan = await conn.fetch(
            "EXPLAIN SELECT id FROM record_revisions WHERE account_id = $1 AND state = 'HELD'"
            f" AND (received_at, id) < ('{now.isoformat()}', 0)"
            " ORDER BY received_at DESC, id DESC LIMIT 51",
            carrier.account_id,
        )
        text = "\n".join(row[0] for row in plan)
        assert "using record_revisions_held" in text, text
        assert "Sort" not in text, text
        await conn.execute("DELETE FROM record_revisions WHERE switch = 'edge'")


async def test_a_held_record_cannot_be_accepted_after_its_customer_changed_currency(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    """It was rated in what the customer was billed in then."""
    other_reference = carrier.unique("other")
    other = await carrier.customer(reference=other_reference)
    await send(switch, charged(reference, "0.10"), charged(other_reference, "0.30"))
    await carrier.owner.do("updateCustomer", "Customer", "id", customerId=other, currency="USD")
    [row] = await all_held(carrier.owner)
    [decided] = await decide(carrier.owner, "acceptHeld", row["id"])
    assert (decided["code"], decided["record"]["state"]) == ("OTHER_CURRENCY", "HELD")
    assert await summed(carrier.owner, customer) == [(1, "0.10")]
    await decide(carrier.owner, "discardHeld", row["id"])
