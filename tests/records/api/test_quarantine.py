"""Refused records: staff see, correct, replay or discard them."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from domain import refusals
from domain.facts import Kind
from live import topics
from models import db
from models.checklists import checklist_state
from models.records import quarantine_store
from runtime import clock
from tests.support.api.audit_log import log
from tests.support.api.callers import Caller, Carrier
from tests.support.api.checklists import CHANGES, codes, of_account
from tests.support.api.fact_subscriptions import following, listened_to, next_of
from tests.support.api.past_calls import days_ago, ended
from tests.support.api.record_review import (
    DISCARDED,
    QUARANTINE,
    SETUP,
    quarantined,
    replay,
    send,
    summed,
)


def backwards(reference: str, call_id: str = "a", **changes: Any) -> dict[str, Any]:
    """An end before its answer."""
    call = ended(reference, call_id, SETUP, "0.10")
    return call | {"end_at": call["setup_at"]} | changes


async def test_a_corrected_and_replayed_record_counts_once_and_leaves_the_checklist(
    carrier: Carrier, customer: str, reference: str, switch: Caller, api_redis: Redis
) -> None:
    bad, owner = backwards(reference), carrier.owner
    assert [error["code"] for error in (await send(switch, bad))["refused"]] == ["TIMES_BACKWARDS"]
    [row] = await quarantined(owner)
    assert json.loads(row["payload"]) == bad
    assert row["message"].startswith("end_at is before answer_at")
    fields = {name: row[name] for name in ("code", "field", "switch", "state")}
    assert fields == {
        "code": "TIMES_BACKWARDS",
        "field": "end_at",
        "switch": "edge-1",
        "state": "OPEN",
    }
    await owner.do("createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR")
    assert "QUARANTINED_RECORDS" in codes(await of_account(owner))
    topic = topics.facts(carrier.account_id, None, Kind.CHECKLIST_CHANGED)
    await checklist_state.settle(
        carrier.account_id, [checklist_state.ACCOUNT], clock.now()
    )  # as a worker
    async with following(owner, CHANGES) as stream:
        telling = asyncio.create_task(next_of(stream))
        await listened_to(api_redis, topic)
        before = len((await of_account(owner))["items"])
        good = ended(reference, "a", SETUP, "0.10")
        [replayed] = await replay(owner, row["id"], corrected=good)
        assert (replayed["outcome"], replayed["record"]["state"]) == ("ACCEPTED", "REPLAYED")
        async with asyncio.timeout(30):
            assert await telling == {"customerId": None, "outstanding": before - 1}
    assert "QUARANTINED_RECORDS" not in codes(await of_account(owner))
    assert await quarantined(owner) == []
    assert [error["id"] for error in await quarantined(owner, state="REPLAYED")] == [row["id"]]
    for _ in range(2):
        [again] = await replay(owner, row["id"], corrected=good | {"call_id": "b"})
        assert again["outcome"] == "NOT_OPEN"
    assert await summed(owner, customer) == [(1, "0.10")]
    assert (await send(switch, good))["duplicates"] == 1


async def test_records_of_a_previously_unknown_customer_are_replayed_unchanged(
    carrier: Carrier, switch: Caller
) -> None:
    reference = carrier.unique("late")
    calls = [ended(reference, f"call-{n}", SETUP, "0.10") for n in range(3)]
    await send(switch, *calls, calls[0] | {"end_at": days_ago(9).isoformat(), "call_id": "bad"})
    rows = await quarantined(carrier.owner, code="UNKNOWN_CUSTOMER")
    ids = [row["id"] for row in rows]
    assert {record["outcome"] for record in await replay(carrier.owner, *ids)} == {"REFUSED"}
    customer = await carrier.customer(reference=reference)
    replayed = await replay(carrier.owner, *ids)
    assert [record["record"]["id"] for record in replayed] == ids
    by_call = {json.loads(record["record"]["payload"])["call_id"]: record for record in replayed}
    assert {call: record["outcome"] for call, record in by_call.items()} == {
        "call-0": "ACCEPTED",
        "call-1": "ACCEPTED",
        "call-2": "ACCEPTED",
        "bad": "REFUSED",
    }
    assert by_call["bad"]["code"] == "TIMES_BACKWARDS"
    [open_record] = await quarantined(carrier.owner)
    assert (open_record["code"], open_record["field"]) == ("TIMES_BACKWARDS", "end_at")
    assert await summed(carrier.owner, customer) == [(3, "0.30")]


async def test_an_invalid_correction_changes_nothing(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, backwards(reference))
    [row] = await quarantined(carrier.owner)
    beat = {"type": "beat", "switch": "edge-1", "active": 1, "at": SETUP.isoformat()}
    for wrong, code in [
        (backwards("nobody"), "UNKNOWN_CUSTOMER"),
        ([1, 2], "WRONG_TYPE"),
        (beat, "NOT_A_RECORD"),
    ]:
        [replayed] = await replay(carrier.owner, row["id"], corrected=wrong)
        assert (replayed["outcome"], replayed["code"]) == ("REFUSED", code)
    [record_answer] = (
        await carrier.owner.do(
            "replayQuarantined",
            "ReplayedRecords",
            "records { code }",
            ids=[row["id"]],
            corrected='{"type": "end", "switch": "\\ud800"}',
        )
    )["records"]
    assert record_answer["code"] == "BAD_JSON"
    assert await quarantined(carrier.owner) == [row]
    assert await summed(carrier.owner, customer) == []


async def test_old_calls_are_not_replayed_into_the_live_state(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    start = {
        "type": "start",
        "call_id": "a",
        "switch": "edge-1",
        "customer": "nobody",
        "at": clock.now().isoformat(),
    }
    await send(switch, start, backwards(reference))
    [row] = await quarantined(carrier.owner)
    [replayed] = await replay(carrier.owner, row["id"], corrected=start | {"customer": reference})
    assert (replayed["outcome"], replayed["code"]) == ("REFUSED", "NOT_A_RECORD")
    query = "query ($c: ID!) { customer(id: $c) { channels { inUse } } }"
    channels = (await carrier.owner.ask(query, c=customer))["customer"]["channels"]
    assert channels["inUse"] == 0


async def test_concurrent_corrections_of_a_record_create_one_record(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    support = await carrier.staff("SUPPORT")
    await send(switch, *(backwards(reference, f"bad-{n}") for n in range(4)))
    for row in await quarantined(carrier.owner):
        call = json.loads(row["payload"])["call_id"]
        became = await asyncio.gather(
            *(
                replay(who, row["id"], corrected=ended(reference, f"{call}-{n}", SETUP, "0.10"))
                for n, who in enumerate([carrier.owner, support] * 3)
            )
        )
        assert sorted(answers["outcome"] for [answers] in became) == ["ACCEPTED", *["NOT_OPEN"] * 5]
    assert await summed(carrier.owner, customer) == [(4, "0.40")]


async def test_concurrent_overlapping_batches_count_each_record_once(
    carrier: Carrier, switch: Caller
) -> None:
    reference = carrier.unique("late")
    calls = [ended(reference, f"call-{n}", SETUP, "0.01") for n in range(60)]
    await send(switch, *calls)
    ids = [row["id"] for row in await quarantined(carrier.owner, code="UNKNOWN_CUSTOMER")]
    assert len(ids) == 50
    customer = await carrier.customer(reference=reference)
    batches = [ids[:40], ids[20:], list(reversed(ids))]
    became = await asyncio.gather(
        *(replay(carrier.owner, *batch) for batch in batches), send(switch, *calls)
    )
    replayed = [record["outcome"] for batch in became[:3] for record in batch]
    assert set(replayed) <= {"ACCEPTED", "DUPLICATE", "NOT_OPEN"}
    assert len([record for record in replayed if record != "NOT_OPEN"]) == 50
    assert await summed(carrier.owner, customer) == [(60, "0.60")]


async def test_a_discarded_record_does_not_count_and_is_not_replayed(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, backwards(reference))
    [row] = await quarantined(carrier.owner)
    for _ in range(2):
        answer = await carrier.owner.do(
            "discardQuarantined", "DiscardedRecords", DISCARDED, ids=[row["id"]]
        )
        assert answer["records"] == [{"id": row["id"], "state": "DISCARDED"}]
    good = ended(reference, "a", SETUP, "0.10")
    [replayed] = await replay(carrier.owner, row["id"], corrected=good)
    assert (replayed["outcome"], replayed["record"]["state"]) == ("NOT_OPEN", "DISCARDED")
    assert "QUARANTINED_RECORDS" not in codes(await of_account(carrier.owner))
    assert await summed(carrier.owner, customer) == []
    entries = await log(carrier.owner, action="quarantine.discard")
    assert [entry["subjectId"] for entry in entries] == [row["id"]]


async def test_a_discarded_record_that_arrives_again_waits_for_staff(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, backwards(reference))
    [row] = await quarantined(carrier.owner)
    assert (row["timesReceived"], row["lastReceivedAt"]) == (1, row["receivedAt"])
    await carrier.owner.do("discardQuarantined", "DiscardedRecords", DISCARDED, ids=[row["id"]])
    assert await quarantined(carrier.owner) == []
    await send(switch, backwards(reference))
    [again] = await quarantined(carrier.owner)
    assert (again["id"], again["timesReceived"]) == (row["id"], 2)
    assert again["receivedAt"] == row["receivedAt"] < again["lastReceivedAt"]
    assert "QUARANTINED_RECORDS" in codes(await of_account(carrier.owner))


async def test_a_record_that_arrived_in_time_can_be_replayed_at_any_later_time(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    old = clock.now() - timedelta(days=401)
    times = dict.fromkeys(("setup_at", "answer_at", "end_at"), old.isoformat())
    await send(switch, ended(reference, "a", SETUP, "0.10") | times)
    [row] = await quarantined(carrier.owner)
    assert [record["code"] for record in await replay(carrier.owner, row["id"])] == ["TOO_OLD"]
    async with db.connection() as conn:
        await conn.execute("UPDATE quarantine SET received_at = received_at - interval '2 days'")
    [replayed] = await replay(carrier.owner, row["id"])
    assert replayed["outcome"] == "ACCEPTED"


async def test_a_second_final_leg_is_refused_again_for_the_same_reason(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, ended(reference, "a", SETUP, "0.10"), backwards(reference, leg=1))
    [row] = await quarantined(carrier.owner)
    second = ended(reference, "a", SETUP, "0.10") | {"leg": 1}
    [replayed] = await replay(carrier.owner, row["id"], corrected=second)
    assert (replayed["outcome"], replayed["code"]) == ("REFUSED", "SECOND_FINAL_LEG")
    assert await quarantined(carrier.owner) == [row]
    [replayed_record] = await replay(
        carrier.owner, row["id"], corrected=ended(reference, "a", SETUP, "0.20")
    )
    assert (replayed_record["outcome"], replayed_record["record"]["state"]) == ("HELD", "REPLAYED")
    assert "HELD_RECORDS" in codes(await of_account(carrier.owner))
    assert await summed(carrier.owner, customer) == [(1, "0.10")]


async def test_a_recent_record_counts_in_the_live_figures_once_it_is_replayed(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    end = (clock.now() - timedelta(seconds=5)).isoformat()
    times = dict.fromkeys(("setup_at", "answer_at", "end_at"), end)
    await send(switch, ended("nobody", "a", SETUP, "0.10") | times)
    [row] = await quarantined(carrier.owner)
    query = "query ($c: ID!) { customer(id: $c) { liveStats(windowSeconds: 900) { attempts } } }"

    async def attempts() -> int:
        attempts_of_window = (await carrier.owner.ask(query, c=customer))["customer"]["liveStats"][
            "attempts"
        ]
        return int(attempts_of_window)

    assert await attempts() == 0
    good = ended(reference, "a", SETUP, "0.10") | times
    for _ in range(2):
        await replay(carrier.owner, row["id"], corrected=good)
        assert await attempts() == 1


async def test_the_reason_of_a_refusal_is_in_the_language_of_the_reader(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, backwards(reference), backwards("nobody"))
    await carrier.owner.do("setLanguage", "Profile", "__typename", language="de")
    texts = {"Kein Kunde", "end_at liegt vor answer_at"}
    messages: dict[str, str] = {}
    async with asyncio.timeout(30):  # until the cached caller has expired
        while not all(
            any(message.startswith(text) for message in messages.values()) for text in texts
        ):
            messages = {row["id"]: row["message"] for row in await quarantined(carrier.owner)}
    replayed = await replay(carrier.owner, *messages)
    assert {message["record"]["id"]: message["message"] for message in replayed} == messages


async def test_the_audit_log_names_who_replayed_a_record_and_its_content_before_and_after(
    carrier: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    support = await carrier.staff("SUPPORT")
    await send(switch, backwards(reference))
    [row] = await quarantined(support)
    good = ended(reference, "a", SETUP, "0.10")
    await replay(support, row["id"], corrected=good)
    [entry] = await log(carrier.owner, action="quarantine.replay")
    assert (entry["actorName"], entry["subjectId"]) == ("A person", row["id"])
    changes = {change["field"]: (change["before"], change["after"]) for change in entry["changes"]}
    assert changes == {
        "state": ("OPEN", "REPLAYED"),
        "payload": (row["payload"], json.dumps(good)),
        "outcome": (None, "ACCEPTED"),
    }


async def test_the_list_is_filtered_and_paged_newest_first(
    carrier: Carrier, reference: str, customer: str, switch: Caller
) -> None:
    await send(switch, *(backwards(reference, f"a-{n}", switch="edge-2") for n in range(5)))
    between = clock.now().isoformat()
    await send(switch, {"type": "hello", "switch": "edge-3"}, ["no", "event"], backwards("nobody"))
    owner = carrier.owner

    async def of(**filter: Any) -> int:
        return len(await quarantined(owner, **filter))

    assert await of() == 8
    assert [await of(switch=f"edge{end}") for end in ("-2", "-3", "")] == [5, 1, 0]
    assert (await of(code="TIMES_BACKWARDS"), await of(code="UNKNOWN_TYPE")) == (5, 1)
    assert (await of(**{"from": between}), await of(to=between)) == (3, 5)
    assert await of(state="DISCARDED") == 0
    assert await owner.code(QUARANTINE, f={"switch": "a\0b"}) == "BAD_TEXT"
    ids, after = [], None
    while True:
        page = (await owner.ask(QUARANTINE, first=3, after=after))["quarantine"]
        ids += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert ids == [row["id"] for row in await quarantined(owner)]
    assert await owner.code(QUARANTINE, after="garbage") == "BAD_CURSOR"


async def test_one_operation_decides_on_1_to_500_records_and_corrects_one(
    carrier: Carrier, switch: Caller
) -> None:
    reference = carrier.unique("late")
    await send(switch, *(ended(reference, f"call-{n}", SETUP, "0.01") for n in range(500)))
    customer, ids, after = await carrier.customer(reference=reference), [], None
    while len(ids) < 500:
        page = (await carrier.owner.ask(QUARANTINE, first=100, after=after))["quarantine"]
        ids += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    for mutation, type in (
        ("replayQuarantined", "ReplayedRecords"),
        ("discardQuarantined", "DiscardedRecords"),
    ):
        answer = await carrier.owner.do(mutation, type, "records { __typename }", ids=[])
        assert (answer["code"], answer["field"]) == ("INVALID", "ids")
        text = f"mutation M($ids: [ID!]!) {{ {mutation}(input: {{ids: $ids}}) {{ __typename }} }}"
        assert await carrier.owner.code(text, ids=[*ids, ids[0]]) == "TOO_MANY_ITEMS"
    for input, code in [
        ({"ids": ids[:2], "corrected": "{}"}, "INVALID"),
        ({"ids": ids[:1], "corrected": " " * 64_001}, "TOO_LONG"),
    ]:
        answer = await carrier.owner.do(
            "replayQuarantined", "ReplayedRecords", "records { outcome }", **input
        )
        assert answer["code"] == code
    assert {record["outcome"] for record in await replay(carrier.owner, *ids)} == {"ACCEPTED"}
    assert await summed(carrier.owner, customer) == [(500, "5.00")]


async def test_records_of_another_account_are_not_found_and_stay_unchanged(
    carrier: Carrier, other: Carrier, customer: str, reference: str, switch: Caller
) -> None:
    await send(switch, backwards(reference), backwards("nobody"))
    await send(await other.key("INGEST"), backwards("nobody"))
    mine, [theirs] = await quarantined(carrier.owner), await quarantined(other.owner)
    for mutation, type in (
        ("replayQuarantined", "ReplayedRecords"),
        ("discardQuarantined", "DiscardedRecords"),
    ):
        answers = [
            await carrier.owner.do(
                mutation, type, "records { __typename }", ids=[mine[0]["id"], id]
            )
            for id in (theirs["id"], "garbage", customer)
        ]
        assert answers[0]["code"] == "NOT_FOUND"
        assert answers.count(answers[0]) == 3
    assert await quarantined(carrier.owner) == mine
    assert await quarantined(other.owner) == [theirs]


async def test_100000_refused_records_are_paged_by_an_index(carrier: Carrier) -> None:
    now = clock.now()
    refusal = refusals.Refusal("UNKNOWN_CUSTOMER", "Who?")
    await quarantine_store.add(
        carrier.account_id, [quarantine_store.RefusedRecord(b"{}", refusal, "edge-9")], now
    )
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO quarantine (account_id, digest, payload, code, message, switch,"
            " received_at) SELECT $1, int8send(n), '{}', 'BAD_JSON', 'Broken', 'edge-' || n % 2,"
            " $2::timestamptz - n * interval '1 second' FROM generate_series(1, 100000) n",
            carrier.account_id,
            now,
        )
        await conn.execute("ANALYZE quarantine")
        for condition, index in [
            ("", "quarantine_state"),
            ("AND code = 'UNKNOWN_CUSTOMER'", "quarantine_code"),
            ("AND switch = 'edge-9'", "quarantine_switch"),
        ]:
            plan = await conn.fetch(
                "EXPLAIN SELECT id FROM quarantine WHERE account_id = $1 AND state = 'OPEN'"
                f" {condition} AND (received_at, id) < ('{now.isoformat()}', 0)"
                " ORDER BY received_at DESC, id DESC LIMIT 51",
                carrier.account_id,
            )
            text = "\n".join(row[0] for row in plan)
            assert f"using {index}" in text, text
            assert "Sort" not in text, text
        await conn.execute("DELETE FROM quarantine WHERE switch <> 'edge-9'")
