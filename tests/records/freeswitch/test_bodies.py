"""Every encoding of mod_json_cdr gives the same leg, and every other body a clear refusal."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from domain import refusals
from domain.directory import channel_variables
from domain.records import call_channels
from ingest.switches import freeswitch
from tests.support.records import recorded_posts

UUID = "0d1a9d65-caef-4d5e-9bbc-8521596f022b"
VARIABLES = {
    "uuid": UUID,
    "direction": "inbound",
    "accountcode": "ACME 1 + 2 %41",
    "carrier": "alpha",
    "start_stamp": "2026-11-30 07:38:59",
    "start_uepoch": "1796024339110603",
    "answer_uepoch": "1796024340110603",
    "end_uepoch": "1796024341110603",
    "digits_dialed": "47*1",
    "hangup_cause": "NORMAL_CLEARING",
    "hangup_cause_q850": "16",
}
PROFILE = {"caller_id_number": "+441632969001", "destination_number": "+441632960101"}


def document(variables: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    flow = [{"caller_profile": PROFILE, "times": {}}]
    values = VARIABLES if variables is None else variables
    return {"switchname": "edge", "variables": values, "callflow": flow} | members


def plain(variables: dict[str, Any] | None = None, **members: Any) -> bytes:
    return json.dumps(document(variables, **members), ensure_ascii=False).encode()


def with_encoded_values() -> bytes:
    return plain({name: quote(value, safe="/,") for name, value in VARIABLES.items()})


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "byte order mark and spaces": lambda content: b"\xef\xbb\xbf \r\n" + content + b"\n",
    "form": lambda content: b"cdr=" + quote(content, safe="/,").encode(),
    "form in lower case": lambda content: b"cdr=" + quote(content).replace("%7B", "%7b").encode(),
    "base64": lambda content: b"cdr=" + base64.b64encode(content),
    "base64 over lines": lambda content: b"cdr=" + base64.encodebytes(content),
    "base64 in a URL-encoded form": lambda c: b"cdr=" + quote(base64.b64encode(c)).encode(),
    "file of a form": lambda content: quote(content).encode() + b"\n",
    "file of base64": lambda content: base64.b64encode(content) + b"\n",
}


def channel(content: bytes) -> call_channels.Channel:
    return freeswitch.decode(content).channel(channel_variables.DEFAULT)


@pytest.mark.parametrize("values", [plain(), with_encoded_values()], ids=["values", "encoded"])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_gives_the_same_leg(encode: Callable[[bytes], bytes], values: bytes) -> None:
    leg = channel(encode(values))
    assert (leg.id, leg.customer, leg.carriers) == (UUID, "ACME 1 + 2 %41", ("alpha",))
    assert (leg.start_at, leg.answer_at) == (1796024339110603, 1796024340110603)
    assert (leg.source, leg.destination, leg.digits) == ("+441632969001", "+441632960101", 4)


def test_the_recorded_base64_contains_bare_plus_signs() -> None:
    posts = recorded_posts.posts(recorded_posts.BASE64)
    assert any(b"+" in post.content for post in posts)
    assert {channel(post.content).id for post in posts} == {post.channel_id for post in posts}


def test_plain_json_that_is_labeled_as_a_form_is_read() -> None:
    posts = recorded_posts.posts(recorded_posts.ENCODED_VALUES)
    assert {post.content_type for post in posts} == {"application/x-www-form-urlencoded"}
    assert {channel(post.content).id for post in posts} == {post.channel_id for post in posts}


def test_bytes_that_are_not_utf_8_are_read_as_latin_1() -> None:
    latin = plain(VARIABLES | {"accountcode": "MÜLLER"}).replace("Ü".encode(), b"\xdc")
    assert channel(latin).customer == "MÜLLER"
    encoded = with_encoded_values().replace(b"ACME", b"M%DCLLER")
    assert channel(encoded).customer == "MÜLLER 1 + 2 %41"
    mixed = plain(VARIABLES | {"accountcode": "ÄÜ"}).replace("Ü".encode(), b"\xdc")
    assert channel(mixed).customer == "ÄÜ"


def test_the_variables_of_customer_carrier_and_offers_are_configured() -> None:
    values = VARIABLES | {"tenant": "t1", "route": "x:_:y", "legs": "ARRAY::a;n;1|:b;n;2"}
    names = channel_variables.ChannelVariables("tenant", "route", "legs")
    leg = freeswitch.decode(plain(values)).channel(names)
    assert (leg.customer, leg.carriers) == ("t1", ("x", "y"))
    assert [offer.channel_id for offer in leg.offers] == ["a", "b"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 101, "ä", "a;b"])
def test_a_variable_without_a_valid_name_is_refused(name: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        channel_variables.validate(channel_variables.ChannelVariables(carrier=name))
    assert (refused.value.code, refused.value.field) == ("BAD_VARIABLE", "carrierVariable")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in VARIABLES.items() if key != name}


GARBAGE = {
    "nothing": (b"", "BAD_JSON"),
    "a truncated post": (plain()[:-40], "BAD_JSON"),
    "a truncated form": (ENCODINGS["form"](plain())[:-41], "BAD_JSON"),
    "truncated base64": (ENCODINGS["base64"](plain())[:-42], "BAD_JSON"),
    "base64 that is not": (b"cdr=eyJ2YXJpYWJsZXMiOiB7fQ==!!", "BAD_JSON"),
    "base64 of text": (b"cdr=" + base64.b64encode(b"no cdr"), "BAD_JSON"),
    "raw NULs": (plain().replace(b"alpha", b"al\0ha"), "BAD_JSON"),
    "only NULs": (b"\0" * 1000, "BAD_JSON"),
    "deep nesting": (plain(nested=0).replace(b": 0", b": " + b"[" * 100_000), "BAD_JSON"),
    "another document": (b'{"type": "end"}', "BAD_JSON"),
    "an array": (b"[" + plain() + b"]", "BAD_JSON"),
    "variables of another type": (plain(variables=[]), "BAD_JSON"),
    "10 MB": (plain(x="x" * 10_000_000), "TOO_LONG"),
    "no id": (plain(without("uuid")), "MISSING_FIELD"),
    "no start": (plain(without("start_uepoch")), "MISSING_FIELD"),
    "no end": (plain(VARIABLES | {"end_uepoch": "0"}), "MISSING_FIELD"),
    "a start that is no time": (plain(VARIABLES | {"start_uepoch": "now"}), "BAD_TIME"),
    "an id with a NUL": (plain(VARIABLES | {"uuid": "a\0b"}), "BAD_VALUE"),
    "a long id": (plain(VARIABLES | {"uuid": "a" * 256}), "BAD_VALUE"),
    "too many offers": (
        plain(VARIABLES | {"originated_legs": "ARRAY::" + "|:".join(["a;b;c"] * 501)}),
        "TOO_MANY_OFFERS",
    ),
}


@pytest.mark.parametrize(("content", "code"), GARBAGE.values(), ids=GARBAGE)
def test_a_post_that_is_not_valid_is_refused_with_its_reason(content: bytes, code: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        channel(content)
    assert refused.value.code == code
    assert len(freeswitch.excerpt(content)) <= 64_000


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 37])
def test_the_excerpt_of_an_invalid_post_has_no_dialed_digits(
    encode: Callable[[bytes], bytes], cut: int
) -> None:
    for values in (plain(), with_encoded_values()):
        content = encode(values)
        kept = freeswitch.excerpt(content[: len(content) - cut])
        assert UUID.encode() in kept
        assert b"digits_dialed" in kept
        assert b"47*1" not in kept
        assert b"47%2A1" not in kept
