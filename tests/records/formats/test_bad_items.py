"""An invalid item is named and the others are accepted, in arrays, NDJSON and snapshots."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from live import channels
from tests.support.records.posting import Switch

# Inserted into a text of an event; each makes it invalid JSON, or a text that cannot be stored.
TEXTS = {
    "raw tab": b"a\tb",
    "raw NUL": b"a\x00b",
    "raw delete and escape": b"a\x1b[31m\x7f",
    "hexadecimal escape": rb"a\x41",
    "half an escape": rb"a\u12",
    "lone high surrogate": rb"a\ud800",
    "lone low surrogate": rb"a\udfff",
    "encoded surrogate": b"a\xed\xa0\x80",
    "Latin-1": b"caf\xe9",
}
NUMBERS = {
    "NaN": b"NaN",
    "infinite": b"-Infinity",
    "leading zero": b"007",
    "plus sign": b"+7",
    "two signs": b"--7",
    "no digit after the point": b"7.",
    "hexadecimal": b"0x07",
}
UNFRAMED = {"a quote too many": b'He said "no', "an escaped end": b"C:\\"}


def with_text(event: dict[str, Any], text: bytes) -> bytes:
    return json.dumps(event).encode().replace(b"TEXT", text)


def framings(items: list[bytes]) -> dict[str, bytes]:
    return {
        "array": b"[" + b",".join(items) + b"]",
        "array over lines": b"[\n  " + b",\n  ".join(items) + b"\n]\n",
        "array with a trailing comma": b"[" + b", ".join(items) + b" , ]",
        "array with a byte order mark": b"\xef\xbb\xbf[" + b",".join(items) + b"]",
        "NDJSON": b"\n".join(items) + b"\n",
        "NDJSON with a byte order mark": b"\xef\xbb\xbf" + b"\r\n".join(items),
    }


async def refused_items(switch: Switch, content: bytes) -> tuple[int, list[tuple[int, str]]]:
    response = await switch.post(content)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert all(item["message"] for item in answer["refused"])
    return answer["accepted"], [(item["index"], item["code"]) for item in answer["refused"]]


async def test_each_invalid_text_or_number_is_named_and_stored_separately(switch: Switch) -> None:
    bad = [with_text(switch.end("bad", sip_reason="TEXT"), text) for text in TEXTS.values()]
    number = json.dumps(switch.end("bad") | {"q850_cause": "NUMBER"}).encode()
    bad += [number.replace(b'"NUMBER"', value) for value in NUMBERS.values()]
    codes = [(index, "BAD_JSON") for index in range(1, len(bad) + 1)]
    for name in framings([]):
        items = [
            json.dumps(switch.end(f"{name} before")).encode(),
            *bad,
            json.dumps(switch.end(f"{name} after")).encode(),
        ]
        assert await refused_items(switch, framings(items)[name]) == (2, codes), name
    rows = await switch.quarantined()
    assert [code for code, _ in rows] == ["BAD_JSON"] * len(bad)


@pytest.mark.parametrize("text", UNFRAMED.values(), ids=UNFRAMED)
async def test_an_extra_quote_affects_no_other_record(switch: Switch, text: bytes) -> None:
    bad = with_text(switch.end("bad", sip_reason="TEXT"), text)
    for name in framings([]):
        items = [json.dumps(switch.end(f"{name} {n}")).encode() for n in range(4)]
        items.insert(2, bad)
        assert await refused_items(switch, framings(items)[name]) == (4, [(2, "BAD_JSON")]), name


async def test_an_invalid_live_event_is_not_stored(switch: Switch) -> None:
    """No more than of a well-formed one: it could not be replayed."""
    start = with_text(switch.start(source="TEXT"), b"a\tb")
    end = with_text(switch.end(source="TEXT"), b"a\tb")
    assert await refused_items(switch, b"[" + start + b"," + end + b"]") == (
        0, [(0, "BAD_JSON"), (1, "BAD_JSON")]
    )  # fmt: skip
    assert len(await switch.quarantined()) == 1


async def test_an_event_of_any_length_is_refused_without_affecting_others(switch: Switch) -> None:
    long = json.dumps(switch.end("long", note=["x" * 20_000] * 5)).encode()
    for name, content in framings([json.dumps(switch.end()).encode(), long]).items():
        response = await switch.post(content)
        assert [item["code"] for item in response.json()["refused"]] == ["TOO_LONG"], name


# Snapshots ---------------------------------------------------------------------------------------


async def in_use(switch: Switch, redis: Redis) -> int:
    return (await channels.read(redis, switch.account_id, switch.customer_id)).in_use


async def snapshot(switch: Switch, calls: list[bytes], **members: Any) -> dict[str, Any]:
    members_of_snapshot = {"switch": "edge-1", "at": switch.at(1), "calls": ["CALLS"]} | members
    content = json.dumps(members_of_snapshot).encode().replace(b'"CALLS"', b",".join(calls))
    response = await switch.post(content, "/ingest/snapshot")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def call(call_id: str, **changes: Any) -> bytes:
    return json.dumps({"call_id": call_id, "customer": "acme"} | changes).encode()


BAD_CALLS = {
    **{name: with_text({"call_id": "bad", "customer": "TEXT"}, t) for name, t in TEXTS.items()},
    "NaN": b'{"call_id": "bad", "customer": "acme", "setup_at": NaN}',
    "a quote too many": b'{"call_id": "bad", "customer": "acme", "carrier": "x"y"}',
    "another type": b'{"call_id": "bad", "customer": 7}',
    "an unknown customer": b'{"call_id": "bad", "customer": "nobody"}',
    "a bad leg": b'{"call_id": "bad", "customer": "acme", "leg": -1}',
}


@pytest.mark.parametrize("bad", BAD_CALLS.values(), ids=BAD_CALLS)
async def test_an_invalid_call_of_a_snapshot_stays_and_the_others_are_repaired(
    switch: Switch, redis: Redis, bad: bytes
) -> None:
    await switch.send(switch.start("bad"), switch.start("gone"), switch.start("up"))
    answer = await snapshot(switch, [call("up"), bad, call("new")])
    assert [item["index"] for item in answer["refused"]] == [1]
    assert answer["snapshotWanted"] == []
    assert await in_use(switch, redis) == 3  # bad, up, new
    await switch.send(switch.end("gone"))
    assert await in_use(switch, redis) == 3
    await switch.send(switch.end("bad"))
    assert await in_use(switch, redis) == 2


@pytest.mark.parametrize("bad", [b"nope", b"7", b'{"call_id": "\\x41", "customer": "acme"}'])
async def test_an_invalid_call_that_cannot_be_identified_keeps_one_call_active(
    switch: Switch, redis: Redis, bad: bytes
) -> None:
    """The one set up last; the count is the number of calls in the snapshot."""
    for n in range(4):
        await switch.send(switch.start(f"call-{n}", at=switch.at(-60 + n)))
    await snapshot(switch, [call("call-0"), bad])
    assert await in_use(switch, redis) == 2
    await switch.send(switch.end("call-3"))
    assert await in_use(switch, redis) == 1


async def test_an_invalid_leg_of_a_call_ends_no_other_leg(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.start("a"), switch.start("a", leg=1))
    await snapshot(switch, [call("a", carrier="carrier-a"), call("a", leg=1, carrier=7)])
    await switch.send(switch.end("a", final=False))
    assert await in_use(switch, redis) == 1
    state = await channels.read(redis, switch.account_id, switch.customer_id)
    assert [carrier is not None for carrier, _ in state.by_carrier] == [True]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_a_snapshot_with_an_invalid_call_keeps_its_number_at_any_position(
    switch: Switch, redis: Redis, after: bool, mark: bytes
) -> None:
    number, at = b'"boot": 7, "seq": 5', json.dumps(switch.at(1)).encode()
    calls = b'"calls": [' + call("up") + b', {"a": "\t"}, ]'
    members = (calls, number) if after else (number, calls)
    content = mark + b'{"switch": "edge-1", "note": "\t", "at": ' + at + b", " + b",".join(members)
    response = await switch.post(content + b"}", "/ingest/snapshot")
    assert response.status_code == 200, response.text
    assert (await switch.send(switch.beat(1, boot=7, seq=6)))["snapshotWanted"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{", b'{"switch": "edge-1"', b'{"calls": [}', b'{"switch": "\t", "calls": []}',
        b'{"switch": "edge-1", "at": "2026-11-22T00:00:00Z", "c\\u0061lls": ["\t"]}',
        b'{"switch": "edge-1", "at": 1, "calls": [{"a": "\t"}]} {}',
    ],
)  # fmt: skip
async def test_a_snapshot_with_unreadable_fields_changes_nothing(
    switch: Switch, redis: Redis, content: bytes
) -> None:
    await switch.send(switch.start("up"))
    response = await switch.post(content, "/ingest/snapshot")
    assert response.status_code == 400
    assert response.json()["code"] in {"NOT_JSON", "BAD_JSON", "MISSING_FIELD", "WRONG_TYPE"}
    assert await in_use(switch, redis) == 1
