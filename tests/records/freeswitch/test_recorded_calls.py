"""Every recorded call, posted as FreeSWITCH posted it, against what happened on the wire.

`DEVIATIONS` lists every difference with its reason; docs/switches.md explains them.
"""

from typing import Any

import pytest

from ingest.switches import freeswitch
from tests.support.records import recorded_posts
from tests.support.records.freeswitch_account import FreeSwitch
from tests.support.records.recorded_posts import Call

WITHIN_SECONDS = 0.0205  # a tick of FreeSWITCH's clock, and the client's rounding to milliseconds

_TICKS = "the leg of the caller ends at the second tick of 20 ms after the BYE"
_NO_ACCOUNT = "a desk of the switch placed it, and the dialplan names no customer for desks"
# (call, figure): reason. A figure that is listed here and does not deviate fails the test.
DEVIATIONS = {
    ("b09", "released"): "FreeSWITCH itself makes the 503 of a carrier that does not react",
    ("b10", "carrier"): "its gateway does not exist, so no carrier was offered the call",
    ("d01", "talk"): _TICKS,
    ("f01", "talk"): _TICKS,
    ("f02", "counted"): _NO_ACCOUNT,
    ("f02", "extra"): "the called party was transferred: its new call is an attempt of its own",
    ("f03", "carrier"): "the desk called the carrier in another call, for which: " + _NO_ACCOUNT,
}
# The carrier of the final leg; None: no carrier.
CARRIERS = {
    **dict.fromkeys(("a02", "a08", "b03", "b04", "b05", "b06"), "beta"),
    **dict.fromkeys(("c01", "c03", "c04", "c05"), "beta"),
    **dict.fromkeys(("a03", "a04"), "gamma"),
    **dict.fromkeys(("b11", "b12", "b13", "b14", "d02", "d03", "d04"), None),
    "b09": "dead",
}
FAILED_OFFERS = {
    "c01": [("alpha", 503)],
    "c03": [("alpha", 487)],
    "c04": [("alpha", 487)],
    "c05": [("alpha", 486)],
    "d02": [("alpha", 486)],
    "f01": [(None, 200)],  # the desk that transferred the call
}
DIGITS = {"d01": 4, "d02": 3, "d03": 1}
# As the carrier, the dialplan or the dial's time-out set them; others: 16.
Q850_CAUSES = {
    "a07": 27,
    "a08": 27,
    "b01": 17,
    "b02": 19,
    "b03": 34,
    "b04": 1,
    "b05": 21,
    "b06": 19,
    "b09": 41,
    "b11": 41,
    "b12": 17,
    "b13": 21,
    "c02": 19,
    "c04": 19,
    "d02": 17,
}


def carrier_of(call: Call) -> str | None:
    return CARRIERS.get(call.name, "alpha")


def released_by(call: Call) -> str:
    """Who ended the call, by the messages that the SIP clients sent."""
    if call.caller["ended_by"] in (call.caller["agent"], "cancelled"):
        return "caller"
    others = [leg["ended_by"] for leg in call.legs[1:]]
    agents = [leg["agent"] for leg in call.legs[1:]]
    is_refused = "callee rejected" in others and call.caller["final_sip_code"] >= 300
    return "callee" if is_refused or set(others) & set(agents) else "switch"


@pytest.mark.parametrize("run", recorded_posts.RUNS)
async def test_every_recorded_call_is_counted_as_it_happened(
    freeswitch_account: FreeSwitch, run: str
) -> None:
    await freeswitch_account.send(*recorded_posts.posts(run))
    records = await freeswitch_account.records()
    attempts = {record["call_id"]: record for record in records if record["final"]}
    placed = recorded_posts.calls(run)
    differences: dict[tuple[str, str], Any] = {}
    for call in placed:
        attempt = attempts.pop(call.caller["switch_channel_id"], None)
        extra = [attempts.pop(id) for id in call.channel_ids & attempts.keys()]
        if extra:
            differences[call.name, "extra"] = extra
        if attempt is None:
            differences[call.name, "counted"] = 0
            continue
        offers = [r for r in records if r["call_id"] == attempt["call_id"] and not r["final"]]
        compared = {**compare(call, attempt), **compare_offers(call, run, offers)}
        differences |= {(call.name, figure): value for figure, value in compared.items()}
    assert not attempts, "an attempt that was not placed"
    names = {call.name for call in placed}
    expected = {key for key in DEVIATIONS if key[0] in names}
    assert set(differences) == expected, differences
    assert await freeswitch_account.held() == 0


def compare(call: Call, attempt: dict[str, Any]) -> dict[str, Any]:
    """The figures of the attempt that differ from the truth."""
    code = call.caller["final_sip_code"]
    truths = {
        "customer": (attempt["customer"], call.customer),
        "carrier": (attempt["carrier"], carrier_of(call)),
        "answered": (attempt["answer_at"] is not None, code == 200),
        "code": (attempt["sip_code"], code),
        "released": (attempt["released_by"], released_by(call)),
        "cause": (attempt["q850_cause"], Q850_CAUSES.get(call.name, 16)),
        "digits": (attempt["dtmf_digits"], DIGITS.get(call.name, 0)),
        "number": (attempt["source"], call.caller["from"]),
    }
    differences: dict[str, Any] = {
        figure: (stored, truth) for figure, (stored, truth) in truths.items() if stored != truth
    }
    if code == 200:
        talks = _talks_of_the_call(call)
        talk = attempt["talk_us"] / 1_000_000
        if not min(talks) - WITHIN_SECONDS <= talk <= max(talks) + WITHIN_SECONDS:
            differences["talk"] = (talk, talks)
    return differences


def _talks_of_the_call(call: Call) -> list[float]:
    """The talk time as the caller measured it and, if they were answered together, the callee."""
    caller = recorded_posts.talk_seconds(call.caller)
    assert caller is not None
    callees = [talk for leg in call.legs[1:] if (talk := recorded_posts.talk_seconds(leg))]
    return [caller, *(talk for talk in callees if abs(talk - caller) < 0.1)]


def compare_offers(call: Call, run: str, offers: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs without posts of the offers have only the cause of each, not its code."""
    has_offers = run in (recorded_posts.PLAIN, recorded_posts.ENCODED_VALUES)
    stored = [(offer["carrier"], offer["sip_code"]) for offer in offers]
    truth = FAILED_OFFERS.get(call.name, [])
    assert not [offer for offer in offers if has_offers and offer["revision"] != 1]
    return {} if stored == truth else {"offers": (stored, truth)}


async def test_the_talk_time_is_that_of_the_format(freeswitch_account: FreeSwitch) -> None:
    posts = recorded_posts.posts(recorded_posts.PLAIN)
    await freeswitch_account.send(*posts)
    variables = {post.channel_id: freeswitch.decode(post.content).variables for post in posts}
    compared = 0
    for record in await freeswitch_account.records():
        values = variables[record["call_id"]]
        if record["final"] and values["direction"] == "inbound":
            assert record["talk_us"] == int(values["billusec"])
            assert abs(record["talk_us"] - 1000 * int(values["billmsec"])) < 1000
            compared += 1
    assert compared == 42


async def test_a_call_without_a_customer_waits_in_quarantine_in_the_native_format(
    freeswitch_account: FreeSwitch,
) -> None:
    await freeswitch_account.send(*recorded_posts.posts(recorded_posts.PLAIN))
    kept = await freeswitch_account.quarantined()
    assert [code for code, _ in kept] == ["MISSING_FIELD"] * 2  # the desks of f02 and f03
    assert all('"type":"end"' in payload for _, payload in kept)


async def test_posts_of_first_legs_alone_give_the_same_attempts(
    freeswitch_account: FreeSwitch,
) -> None:
    """mod_json_cdr posts no offers if `log-b-leg` is off."""
    posts = recorded_posts.posts(recorded_posts.PLAIN)
    first_legs = [
        post
        for post in posts
        if "originating_leg_uuid" not in freeswitch.decode(post.content).variables
    ]
    await freeswitch_account.send(*first_legs)
    alone = [record for record in await freeswitch_account.records() if record["final"]]
    await freeswitch_account.send(*posts)
    joined = {(r["call_id"], r["leg"]): r for r in await freeswitch_account.records()}
    same = ("customer", "carrier", "setup_at", "answer_at", "end_at", "sip_code", "q850_cause")
    for record in alone:
        other = joined[record["call_id"], record["leg"]]
        assert {name: record[name] for name in same} == {name: other[name] for name in same}
        assert record["released_by"] == other["released_by"]
    assert len(alone) == 42
