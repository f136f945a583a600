"""Cached parts of answers: what is covered, what they contain, and how much memory they take."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import root
from schema.engine import encoding
from schema.engine.fragments import cache, declarations, parts

SCHEMA = root.api._schema
BACK = "strawberry-definition"
START = datetime(2026, 11, 22, 3, tzinfo=UTC)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
TIMED = st.integers(0, 9).map(
    lambda rate: declarations.TimedFloat.of(
        lambda now: rate * (1 + (now - START).total_seconds()), START
    )
)


def values() -> st.SearchStrategy[Any]:
    return st.recursive(
        PLAIN | TIMED,
        lambda below: st.lists(below, max_size=60) | st.dictionaries(st.text(max_size=3), below),
        max_leaves=20,
    )


def at(value: Any, now: datetime) -> Any:
    """The value with its timed floats at a time."""
    if isinstance(value, declarations.TimedFloat):
        return value.at(now)
    if isinstance(value, list):
        return [at(item, now) for item in value]
    if isinstance(value, dict):
        return {name: at(item, now) for name, item in value.items()}
    return value


@given(
    value=st.dictionaries(st.text(max_size=3), values(), min_size=1),
    live=st.sets(st.sampled_from(["asOf", "stale"])),
    seconds=st.integers(0, 10**6),
)
def test_a_filled_fragment_is_the_value_at_the_time_with_the_live_fields(
    value: dict[str, Any], live: set[str], seconds: int
) -> None:
    now = START + timedelta(seconds=seconds)
    whole = value | dict.fromkeys(sorted(live), "computed earlier")
    fragment = asyncio.run(cache.make(whole, dict.fromkeys(live)))
    filled = fragment.fill(dict.fromkeys(live, "live"), now)
    expected = at(whole, now) | dict.fromkeys(sorted(live), "live")
    assert bytes(filled) == encoding.encode_at_once(expected)


def fragment(size: int) -> cache.Fragment:
    return cache.Fragment((b"x" * size,), ())


@given(puts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 30_000))))
def test_the_cache_keeps_within_its_memory_and_returns_only_what_was_put(
    puts: list[tuple[int, int, int]],
) -> None:
    cached, stored = cache.Cache(100_000), {}
    for key, revision, size in puts:
        cached.put(key, (revision,), fragment(size))
        stored[key, revision] = size
        assert cached.bytes <= cached.max_bytes
    kept = [(cached.get(key, (revision,)), size) for (key, revision), size in stored.items()]
    sizes = [found.size for found, _ in kept if found is not None]
    assert sum(sizes) == cached.bytes
    assert len(sizes) == len(cached)


def test_the_fragment_that_was_used_least_recently_is_dropped_first() -> None:
    cached = cache.Cache(40_000)
    for key in range(9):
        cached.put(key, (1,), fragment(2_000))
        cached.get(0, (1,))
    kept = [key for key in range(9) if cached.get(key, (1,)) is not None]
    assert 0 in kept
    assert kept[1:] == list(range(9 - len(kept) + 1, 9))


def test_an_older_revision_never_replaces_a_newer_one() -> None:
    cached = cache.Cache(40_000)
    cached.put("part", (2,), fragment(10))
    cached.put("part", (1,), fragment(20))
    assert cached.get("part", (1,)) is None
    assert cached.get("part", (2,)) is not None


async def test_a_request_waits_for_another_one_that_computes_the_same_fragment() -> None:
    cached = cache.Cache(40_000)
    end = cached.begin("part", (1,))
    waiting = asyncio.create_task(cached.wait("part", (1,)))
    await asyncio.sleep(0)
    assert not waiting.done()
    end()
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(cached.wait("part", (1,)), 5)


def uncovered(type: Any, visited: set[str]) -> list[str]:
    """The fields below a stored part that are neither covered nor live; not those of other
    objects, such as an invoice's customer."""
    if not isinstance(type, graphql.GraphQLObjectType) or type.name in visited:
        return []
    visited.add(type.name)
    missing = []
    for name, field in type.fields.items():
        declared = field.extensions[BACK]
        if parts.is_covered(type, declared):
            missing += uncovered(graphql.get_named_type(field.type), visited)
        elif not declarations.is_live(declared):
            missing.append(f"{type.name}.{name}")
    return missing


# A part that selects one of these is computed for each request.
NEVER_CACHED = {"Carrier.calls", "Invoice.customer", "Invoice.lines", "Invoice.payments"}


def test_every_field_of_a_stored_part_is_covered_or_live() -> None:
    missing: list[str] = []
    for type, name in parts.stored_fields(SCHEMA):
        field = SCHEMA.type_map[type].fields[name]  # type: ignore[attr-defined]
        missing += uncovered(graphql.get_named_type(field.type), set())
    assert set(missing) <= NEVER_CACHED, "declare the type with `declarations.stored_type`"


def part(selection: str, type: str = "Customer", fragments: str = "") -> parts.Part | None:
    document = graphql.parse(f"{{ {selection} }} {fragments}")
    operation, *definitions = document.definitions
    assert isinstance(operation, graphql.OperationDefinitionNode)
    (node,) = operation.selection_set.selections
    assert isinstance(node, graphql.FieldNode)
    declared = parts.stored_fields(SCHEMA)[type, node.name.value]
    by_name = {definition.name.value: definition for definition in definitions}  # type: ignore[attr-defined]
    return parts.compile(SCHEMA, declared, SCHEMA.type_map[type], [node], by_name)  # type: ignore[arg-type]


SUMMARY = "summary(granularity: DAILY)"


@pytest.mark.parametrize(
    "selection",
    [
        "edges { node { invoice { customer { balance { amount } } } } }",
        "edges { node { invoicing { invoices { customer { name } } } } }",
        "... @defer { billable }",
    ],
)
def test_a_part_that_selects_anything_else_is_not_cached(selection: str) -> None:
    assert part(f"{SUMMARY} {{ {selection} }}") is None


def test_live_fields_are_found_under_their_aliases_and_in_fragments() -> None:
    selection = f"{SUMMARY} {{ at: asOf ... on SummaryConnection {{ stale }} ...Old }}"
    compiled = part(selection, fragments="fragment Old on SummaryConnection { old: stale }")
    assert compiled is not None
    assert set(compiled.live) == {"at", "stale", "old"}


def test_a_part_depends_on_the_variables_of_its_arguments_directives_and_fragments() -> None:
    selection = "summary(granularity: $g, first: $n) { billable @skip(if: $no) ...Rows }"
    fragments = "fragment Rows on SummaryConnection { edges { cursor @include(if: $yes) } }"
    compiled = part(selection, fragments=fragments)
    assert compiled is not None
    assert list(compiled.variables) == ["g", "n", "no", "yes"]
    other = part(selection, fragments=fragments.replace("cursor", "other: cursor"))
    assert other is not None
    assert other.digest != compiled.digest
