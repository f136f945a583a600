"""An invalid optional field is ignored and named; an invalid field of another kind refuses its
record.
"""

import json
from typing import Any

import pytest

from tests.support.records import sample_records
from tests.support.records.posting import Switch

_COLUMNS = "sip_code, sip_reason, q850_cause, released_by, direction, host(source_ip), dtmf_digits"

ODD: list[tuple[str, Any, str]] = [
    ("q850_cause", "16", "WRONG_TYPE"),
    ("q850_cause", 16.0, "WRONG_TYPE"),
    ("q850_cause", 128, "OUT_OF_RANGE"),
    ("q850_cause", 10**30, "OUT_OF_RANGE"),
    ("q850_cause", [16], "WRONG_TYPE"),
    ("sip_code", 20, "OUT_OF_RANGE"),
    ("sip_code", "200 OK", "WRONG_TYPE"),
    ("sip_reason", "x" * 256, "TOO_LONG"),
    ("sip_reason", "OK\0", "BAD_TEXT"),
    ("sip_reason", {"text": "OK"}, "WRONG_TYPE"),
    ("released_by", 1, "WRONG_TYPE"),
    ("direction", "x" * 33, "TOO_LONG"),
    ("direction", "out\0", "BAD_TEXT"),
    ("source_ip", "nowhere", "BAD_ADDRESS"),
    ("source_ip", "fe80::1%eth0", "BAD_ADDRESS"),
    ("source_ip", "192.0.2.1:65536", "BAD_ADDRESS"),
    ("source_ip", "2001:db8:0:0:0:0:0:1:5060", "BAD_ADDRESS"),
    ("source_ip", "x" * 65, "TOO_LONG"),
    ("source_ip", 3_221_225_985, "WRONG_TYPE"),
    ("dtmf_digits", -1, "OUT_OF_RANGE"),
    ("dtmf_digits", None, "WRONG_TYPE"),
]


async def stored_records() -> list[tuple[Any, ...]]:
    return await sample_records.rows(
        f"SELECT call_id, {_COLUMNS} FROM call_records ORDER BY call_id"
    )


def details(call_id: str, **changes: Any) -> tuple[Any, ...]:
    values = {
        "sip_code": 200,
        "sip_reason": "OK",
        "q850_cause": 16,
        "released_by": "caller",
        "direction": "outbound",
        "source_ip": "192.0.2.1",
        "dtmf_digits": 3,
    } | changes
    return (call_id, *values.values())


def full_end(switch: Switch, call_id: str = "a", **changes: Any) -> dict[str, Any]:
    names = _COLUMNS.replace("host(source_ip)", "source_ip").split(", ")
    return switch.end(call_id, **dict(zip(names, details(call_id)[1:], strict=True))) | changes


@pytest.mark.parametrize("is_array", [True, False], ids=["array", "NDJSON"])
async def test_a_record_with_an_invalid_optional_field_is_stored_without_it(
    switch: Switch, is_array: bool
) -> None:
    calls = [
        full_end(switch, f"{index:02}", **{field: value})
        for index, (field, value, _) in enumerate(ODD)
    ]
    lines = [json.dumps(call) for call in calls]
    content = "[" + ",".join(lines) + "]" if is_array else "\n".join(lines)
    for count_name in ("accepted", "duplicates"):
        answer = (await switch.post(content.encode())).json()
        assert (answer[count_name], answer["refused"], answer["held"]) == (len(ODD), [], [])
        assert [(item["index"], item["field"], item["code"]) for item in answer["ignored"]] == [
            (index, field, code) for index, (field, _, code) in enumerate(ODD)
        ]
        assert all(0 < len(item["message"]) < 300 for item in answer["ignored"])
    assert await stored_records() == [
        details(f"{index:02}", **{field: 0 if field == "dtmf_digits" else None})
        for index, (field, _, _) in enumerate(ODD)
    ]
    assert await switch.quarantined() == []


async def test_all_optional_fields_can_be_invalid_together(switch: Switch) -> None:
    odd = {name: [] for name in _COLUMNS.split(", ")[:5]}
    call = full_end(switch, **odd, source_ip="nowhere", dtmf_digits="3")
    answer = await switch.send(switch.end("before"), call, switch.end("after"))
    assert answer["accepted"] == 3
    fields = {*odd, "source_ip", "dtmf_digits"}
    assert {(item["index"], item["field"]) for item in answer["ignored"]} == {
        (1, field) for field in fields
    }
    assert (await stored_records())[0] == ("a", None, None, None, None, None, None, 0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:5060", "192.0.2.1"),
        ("[2001:db8::1]:5060", "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("2001:db8::1:5060", "2001:db8::1:5060"),
        ("[2001:0db8:0000:0000:0000:0000:0000:0001]:65535", "2001:db8::1"),
    ],
)
async def test_an_address_with_a_port_is_stored_without_the_port(
    switch: Switch, text: str, address: str
) -> None:
    answer = await switch.send(full_end(switch, source_ip=text))
    assert (answer["accepted"], answer["ignored"]) == (1, [])
    assert await stored_records() == [details("a", source_ip=address)]
    again = await switch.send(full_end(switch, source_ip=address))
    assert again["duplicates"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"charge": "one"},
        {"cost": "1_000"},
        {"billed_seconds": "60"},
        {"currency": "EURO"},
        {"setup_at": "yesterday"},
        {"ringing_at": [1]},
        {"answer_at": "2026-02-30T00:00:00Z"},
        {"end_at": True},
        {"switch": ""},
        {"call_id": 7},
        {"leg": "0"},
        {"customer": None},
        {"carrier": 7},
        {"final": 1},
        {"correction": "yes"},
        {"boot": "7"},
        {"seq": -1},
        {"destination": 15550100},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_an_invalid_field_of_any_other_kind_refuses_the_record(
    switch: Switch, wrong: dict[str, Any]
) -> None:
    for odd in ({}, {"q850_cause": "16"}):
        answer = await switch.send(full_end(switch) | wrong | odd)
        assert (answer["accepted"], answer["ignored"]) == (0, [])
        assert len(answer["refused"]) == 1
    assert await stored_records() == []


async def test_a_duplicate_type_refuses_only_its_event(switch: Switch) -> None:
    twice = json.dumps(switch.end() | {"q850_cause": "16"})[:-1] + ', "type": "start", "at": 1}'
    content = f"[{twice}, {json.dumps(switch.end('b'))}]"
    answer = (await switch.post(content.encode())).json()
    assert answer["accepted"] >= 1
    assert answer["accepted"] + len(answer["refused"]) == 2


async def test_different_content_besides_an_invalid_optional_field_is_still_held(
    switch: Switch,
) -> None:
    await switch.send(full_end(switch, q850_cause="16"))
    answer = await switch.send(full_end(switch, q850_cause="16", end_at=switch.at(-1)))
    assert [item["index"] for item in answer["held"]] == [0]
    assert [item["field"] for item in answer["ignored"]] == ["q850_cause"]
