"""Hostile documents: each is refused with its code, whoever sends it, and nothing of it is run."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from bench import documents
from domain import callers
from schema import cost, errors, lexical, limits, root

ALL = {**documents.LARGE, **documents.SMALL}
CALLERS = [
    documents.STAFF,
    callers.Caller(1, callers.Kind.CONTACT, 1, customer_id=1),
    callers.Caller(1, callers.Kind.KEY, 1, scopes=frozenset(callers.Scope)),
]


def _codes(result: Any) -> set[str]:
    return {error.extensions["code"] for error in result.errors}


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.kind)
@pytest.mark.parametrize("name", ALL)
async def test_it_is_refused_with_its_code_and_not_run(name: str, caller: callers.Caller) -> None:
    result = await documents.refuse(ALL[name].text, caller)
    assert errors.not_executed(result)
    assert _codes(result) == {ALL[name].code}


@pytest.mark.parametrize("name", ALL)
async def test_a_stranger_is_refused_it_too(name: str) -> None:
    result = await documents.refuse(ALL[name].text, None)
    assert errors.not_executed(result)
    assert "INTERNAL" not in _codes(result)


@pytest.mark.parametrize("name", documents.LARGE)
def test_a_large_one_is_refused_by_its_text_alone(name: str) -> None:
    text = documents.LARGE[name].text
    assert 9_000 < len(text) <= documents.SIZE
    with pytest.raises(errors.GraphQLError):
        lexical.check(text, limits.of(documents.STAFF))


_SIDE_BY_SIDE = ["one field 690 times", "38 fragments of one field", "one object 170 times"]


@pytest.mark.parametrize("name", _SIDE_BY_SIDE)
def test_what_overlaps_side_by_side_is_refused_by_its_text_alone(name: str) -> None:
    with pytest.raises(errors.GraphQLError) as refused:
        lexical.check(documents.SMALL[name].text, limits.of(documents.STAFF))
    told = refused.value.extensions or {}
    assert (told["code"], told["limit"]) == ("TOO_MANY_OVERLAPS", 200)
    assert told["requested"] > 1_700


@pytest.mark.parametrize("name", documents.SMALL)
def test_a_small_one_is_small(name: str) -> None:
    assert len(documents.SMALL[name].text) < 8_000


def test_aliases_in_fragments_of_the_schema_make_no_number_of_astronomic_length() -> None:
    """2 to the power of 3^40 would fill the memory before it were above any limit."""
    spreads = " ".join(
        f"fragment F{n} on __Schema {{ ...F{n + 1} ...F{n + 1} ...F{n + 1} }}" for n in range(40)
    )
    last = "fragment F40 on __Schema { a: description }"
    document = parse(f"{{ __schema {{ ...F0 }} }} {spreads} {last}")
    [operation] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    measured = cost.measure(root.api._schema, document, operation, {})
    assert 20_000 < measured.cost < 2**53
