"""Hostile documents are refused with their codes and not executed."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from bench import documents
from domain.identity import callers
from schema import root
from schema.engine import errors
from schema.engine.documents import cost, lexical, limits

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
async def test_a_hostile_document_is_refused_with_its_code_and_not_executed(
    name: str, caller: callers.Caller
) -> None:
    result = await documents.refuse(ALL[name].text, caller)
    assert errors.not_executed(result)
    assert _codes(result) == {ALL[name].code}


@pytest.mark.parametrize("name", ALL)
async def test_an_unauthenticated_caller_is_refused_the_same_documents(name: str) -> None:
    result = await documents.refuse(ALL[name].text, None)
    assert errors.not_executed(result)
    assert "INTERNAL" not in _codes(result)


@pytest.mark.parametrize("name", documents.LARGE)
def test_a_large_document_is_refused_from_its_text(name: str) -> None:
    text = documents.LARGE[name].text
    assert 9_000 < len(text) <= documents.SIZE
    with pytest.raises(errors.GraphQLError):
        lexical.check(text, limits.of(documents.STAFF))


_SIDE_BY_SIDE = ["one field 690 times", "38 fragments of one field", "one object 170 times"]


@pytest.mark.parametrize("name", _SIDE_BY_SIDE)
def test_overlapping_selections_are_refused_from_the_text(name: str) -> None:
    with pytest.raises(errors.GraphQLError) as refused:
        lexical.check(documents.SMALL[name].text, limits.of(documents.STAFF))
    told = refused.value.extensions or {}
    assert (told["code"], told["limit"]) == ("TOO_MANY_OVERLAPS", 200)
    assert told["requested"] > 1_700


@pytest.mark.parametrize("name", documents.SMALL)
def test_a_small_document_stays_below_the_text_limits(name: str) -> None:
    assert len(documents.SMALL[name].text) < 8_000


def test_nested_aliases_of_introspection_do_not_compute_huge_numbers() -> None:
    """2 to the power of 3^40 would fill the memory before it were above any limit."""
    spreads = " ".join(
        f"fragment F{n} on __Schema {{ ...F{n + 1} ...F{n + 1} ...F{n + 1} }}" for n in range(40)
    )
    last = "fragment F40 on __Schema { a: description }"
    document = parse(f"{{ __schema {{ ...F0 }} }} {spreads} {last}")
    [operation] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    measured = cost.measure(root.api._schema, document, operation, {})
    assert 20_000 < measured.cost < 2**53
