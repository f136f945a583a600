"""A body is split by its own framing, in steps of bounded work, for any items."""

import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from ingest import body, splitting
from ingest.switches import callboard

GOOD = b'{"type":"beat","switch":"edge-1"}'
# Items that are not JSON, but whose brackets and strings fit together.
BAD = [
    b'{"a": "x\ty"}',
    b'{"a": "x\x00y"}',
    b'{"a": "\\x41"}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\u12"}',
    b'{"a": "\xff"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 012}',
    b'{"a": +1}',
    b'{"a": 1.}',
    b'{"a": .5}',
    b'{"a": 1,}',
    b"{'a': 1}",
    b'{"a": [1, {"b": ]}}',
    b'{"a": "],[{"}}',
    b'{"a" 1}',
    b"nope",
    b"",
]
# Items whose strings or brackets do not fit together.
UNFRAMED = [b'{"a": "x"y"}', b'{"a": "x}', b'{"a": {"b": 1}', b'{"a": "x\\"}', b'{"a": [}']


def steps(work: splitting.Work[splitting.T]) -> tuple[list[int], splitting.T | str]:
    """The positions it yields; then its result, or the code of its refusal."""
    positions: list[int] = []
    try:
        while True:
            positions.append(next(work))
    except StopIteration as end:
        return positions, end.value
    except refusals.Refusal as refusal:
        return positions, refusal.code
    except (splitting.UnframedError, splitting.TooManyError) as error:
        return positions, type(error).__name__


def split(content: bytes) -> list[bytes] | str:
    """The events of a body, or the code of its refusal."""
    _, events = steps(body.split(content))
    return events if isinstance(events, str) else [bytes(event) for event in events]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_item_that_is_not_json_is_a_separate_event(bad: bytes, at: int) -> None:
    items = [GOOD, GOOD]
    items.insert(at, bad)
    expected = items if at < 2 or bad else items[:-1]  # a comma behind the last item is ignored
    assert split(b"[" + b",".join(items) + b"]") == expected
    assert split(b" [ " + b" ,\n".join(items) + b" ] ") == expected


@pytest.mark.parametrize("bad", [item for item in [*BAD, *UNFRAMED] if item])
def test_a_line_that_is_not_json_is_a_separate_event(bad: bytes) -> None:
    assert split(b"\n".join([GOOD, bad, GOOD])) == [GOOD, bad, GOOD]


@pytest.mark.parametrize("bad", UNFRAMED)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_item_with_an_extra_quote_affects_no_other(bad: bytes, at: int) -> None:
    items = [GOOD, GOOD]
    items.insert(at, bad)
    assert split(b"[" + b", ".join(items) + b"]") == items


@pytest.mark.parametrize("content", [b"[" + GOOD + b"," + GOOD + b"]", GOOD + b"\n" + GOOD])
def test_a_byte_order_mark_is_ignored(content: bytes) -> None:
    assert split(b"\xef\xbb\xbf" + content) == [GOOD, GOOD]


def test_a_trailing_comma_is_ignored() -> None:
    assert split(b"[" + GOOD + b", ]") == [GOOD]
    assert split(b"[]") == []


def test_an_array_without_an_end_is_refused_completely() -> None:
    """The connection may have been cut: the sender has to repeat the missing events."""
    for content in (b"[" + GOOD, b"[" + GOOD + b"," + GOOD[:-5], b"[" + GOOD + b',{"a": "]"'):
        assert split(content) == "NOT_JSON"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), st.sampled_from([None, 0, 2]), st.booleans())
def test_json_is_split_as_by_a_json_parser(
    values: list[Any], indent: int | None, ascii: bool
) -> None:
    content = json.dumps(values, indent=indent, ensure_ascii=ascii).encode()
    scanner = splitting.Scanner(content, 1, 10)
    _, spans = steps(scanner.elements())
    parsed = msgspec.json.decode(content, type=list[msgspec.Raw])
    assert [content[start:end] for start, end in spans] == [bytes(raw) for raw in parsed]
    assert scanner.at == len(content)


@given(st.binary(max_size=200) | st.text('{}[]",: \\1', max_size=60).map(str.encode))
def test_bytes_after_an_item_do_not_change_it(between: bytes) -> None:
    events = split(b"[" + GOOD + b",{" + between + b"," + GOOD + b"]")
    assert events == "NOT_JSON" or events[0] == GOOD


# Work -------------------------------------------------------------------------------------------

SIZE = 2_000_000
LONG = {
    "lines": b"\n" * SIZE,
    "white": b"[" + b" " * SIZE + b"NaN]",
    "string": b'["' + b"a" * SIZE + b'\t"]',
    "escapes": b'["' + b"\\n" * (SIZE // 2) + b'\t"]',
    "quotes": b"[" + b'"' * SIZE + b"]",
    "nested": b"[[" + b"1," * (SIZE // 2) + b"]]",
    "brackets": b"[[" + b"[]," * (SIZE // 3) + b"NaN]]",
    "deep": b"[" + b"[" * (SIZE // 2) + b"]" * (SIZE // 2) + b"]",
    "objects": b'[{"a":' * 100_000 + b"]",
    "open strings": b"[" + b'{"a": "x},' * 5_000 + b"]",
    "bad events": b"[" + b",".join([b'{"a": NaN, "b": "' + b"b" * 200 + b'"}'] * 9_000) + b"]",
    "random": bytes(random.Random(7).choices(b'{}[]",:\\ 1', k=SIZE)) + b"]",
}


@pytest.mark.parametrize("name", LONG)
def test_a_body_is_split_in_steps_of_bounded_work(name: str) -> None:
    """Each reads at most 400,000 bytes; there are about 1,000 at most for any body."""
    content = LONG[name]
    positions, _ = steps(splitting.Scanner(content, 1, 10_000).elements())
    sizes = [after - before for before, after in pairwise([1, *positions])]
    assert max(sizes, default=0) <= 400_000
    positions, _ = steps(body.split(content))
    assert len(positions) <= 1_100


@pytest.mark.parametrize("item", [b"{},", b"{}\n", b"NaN,", b"1,"])
def test_only_as_many_items_are_read_as_a_batch_can_have(item: bytes) -> None:
    content = item * (15_000_000 // len(item)) + b"1"
    positions, code = steps(body.split(content if b"\n" in item else b"[" + content + b"]"))
    assert code == "TOO_MANY_EVENTS"
    assert max(positions) <= 11_000 * len(item)


@pytest.mark.parametrize("wrap", [lambda e: b"[" + e + b"]", lambda e: e + b"\n" + GOOD])
def test_an_event_that_is_too_long_is_truncated_and_named(wrap: Callable[[bytes], bytes]) -> None:
    for value in (b"1", b"NaN"):
        event = b'{"a": "' + b"a" * 3_000_000 + b'", "b": ' + value + b"}"
        first = split(wrap(event + (b"," + GOOD if wrap(b"").startswith(b"[") else b"")))[0]
        with pytest.raises(refusals.Refusal) as error:
            callboard.parse_event(first)
        assert error.value.code == "TOO_LONG"
