"""Every encoding of mod_json_cdr gives the same leg, and every other body a clear refusal."""

from collections.abc import Callable

import pytest

from domain import refusals
from domain.directory import channel_variables
from domain.records import call_channels
from ingest.switches import freeswitch
from tests.support.records import recorded_posts
from tests.support.records.sample_posts import (
    ENCODINGS,
    GARBAGE,
    UUID,
    VARIABLES,
    plain,
    with_encoded_values,
)


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


def test_an_excerpt_with_misplaced_padding_is_the_post_itself() -> None:
    assert freeswitch.excerpt(b"A===AAAA") == b"A===AAAA"
