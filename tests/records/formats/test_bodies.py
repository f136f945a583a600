"""The accepted bodies, encodings and callers, and the refusals of others."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from domain import refusals
from ingest import body
from tests.support.records.posting import Switch, issue_key


def split(content: bytes) -> Sequence[bytes]:
    """The events of a body."""
    work = body.split(content)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return [bytes(event) for event in end.value]


def code(answer: httpx2.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["message"]
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"  \n ", b"hello", b"{broken", b"[1,", b"[1 2]", b"[,]", b"[] []", b"\xff\xfe"),
        *(b"[" * 100_000, b"[" + b"[" * 50_000 + b"]" * 50_000 + b"]", b'["\\ud800", }', b"[nope]"),
        b"<html></html>\n<p>",
    ],
)
def test_a_body_that_is_not_json_is_refused_completely(content: bytes) -> None:
    with pytest.raises(refusals.Refusal) as error:
        split(content)
    assert error.value.code == "NOT_JSON"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),  # lone surrogates too
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(values, max_size=5), st.sampled_from([None, 2]))
def test_every_element_of_an_array_is_a_separate_event(said: list[Any], indent: int | None) -> None:
    """Also beside elements with NaN and lone surrogates, which are refused later and separately."""
    events = split(json.dumps([*said, {}], indent=indent).encode())
    assert [json.dumps(json.loads(event)) for event in events] == [
        json.dumps(v) for v in [*said, {}]
    ]


def test_a_long_number_beside_a_nan_is_a_separate_event() -> None:
    long = b"1" * 5_000
    assert split(b"[NaN, " + long + b"]") == [b"NaN", long]


def test_one_event_can_span_several_lines() -> None:
    assert len(split(json.dumps({"type": "beat", "x": [1, 2]}, indent=2).encode())) == 1


@pytest.mark.parametrize("separator", [b",", b"\n"])
def test_a_batch_of_more_than_10000_events_is_refused(separator: bytes) -> None:
    def batch(count: int) -> bytes:
        events = separator.join([b"{}"] * count)
        return b"[" + events + b"]" if separator == b"," else events

    assert len(split(batch(10_000))) == 10_000
    for count in (10_001, 2_000_000):
        with pytest.raises(refusals.Refusal, match="10,000"):
            split(batch(count))


def test_gzip_with_several_members_is_accepted() -> None:
    assert body.unzip(gzip.compress(b"[") + gzip.compress(b"]")) == b"[]"


def test_gzip_with_very_many_members_is_refused() -> None:
    with pytest.raises(refusals.Refusal, match="100 members"):
        body.unzip(gzip.compress(b" ") * 100_000)


def test_a_gzip_bomb_is_refused_before_it_is_decompressed() -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    with pytest.raises(refusals.Refusal, match="16,000,000"):
        body.unzip(bomb)


@pytest.mark.parametrize(
    "content",
    [b"plain", gzip.compress(b"[]")[:-4], gzip.compress(b"[]") + b"x"],
    ids=["plain", "short", "long"],
)
def test_invalid_gzip_is_refused(content: bytes) -> None:
    with pytest.raises(refusals.Refusal, match="gzip"):
        body.unzip(content)


async def test_each_refusal_of_a_whole_request_has_its_status(switch: Switch) -> None:
    async def answered(content: bytes = b"[]", **headers: str) -> tuple[int, str]:
        return code(await switch.post(content, **headers))

    assert await answered(b"nothing") == (400, "NOT_JSON")
    assert await answered(b"x", **{"Content-Encoding": "gzip"}) == (400, "BAD_GZIP")
    assert await answered(**{"Content-Encoding": "br"}) == (415, "UNKNOWN_ENCODING")
    assert await answered(b" " * 16_000_001) == (413, "TOO_LARGE")
    assert await answered(b"[" + b"{}," * 10_000 + b"{}]") == (413, "TOO_MANY_EVENTS")
    anonymous = await switch.post(b"[]", Authorization="Bearer nobody")
    assert code(anonymous) == (401, "UNAUTHENTICATED")
    assert anonymous.headers["www-authenticate"].startswith("Bearer ")
    switch.key = await issue_key(switch.account_id, scopes=["BILLING_READ"])
    assert await answered() == (403, "FORBIDDEN")
    switch.key = await issue_key(switch.account_id, customer_id=switch.customer_id)
    assert await answered() == (403, "FORBIDDEN")


async def test_a_switch_that_disconnects_during_a_body_causes_no_error(
    app: Starlette, switch: Switch
) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/ingest/calls",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {switch.key}".encode())],
    }
    coming = iter(
        [{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Any:
        return next(coming)

    async def send(_: Any) -> None:
        pass

    await app(scope, receive, send)


async def test_an_empty_batch_is_accepted(switch: Switch) -> None:
    answer = await switch.send()
    assert answer == {
        "accepted": 0,
        "duplicates": 0,
        "corrected": 0,
        "held": [],
        "refused": [],
        "ignored": [],
        "snapshotWanted": [],
    }
