"""Hostile documents: each is refused with its code, whoever sends it, and nothing of it is run."""

from typing import Any

import pytest

from bench import documents
from domain import callers
from schema import errors, lexical, limits

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


@pytest.mark.parametrize("name", documents.SMALL)
def test_a_small_one_is_small(name: str) -> None:
    assert len(documents.SMALL[name].text) < 8_000
