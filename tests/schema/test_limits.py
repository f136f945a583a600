import graphql
import pytest

from schema import limits

SCHEMA = graphql.build_schema("type Query { a: Query b: Int }")


def _nested(depth: int) -> str:
    return "{ a " * (depth - 1) + "{ b" + " }" * depth


def _refusals(query: str) -> list[dict[str, object]]:
    found = graphql.validate(SCHEMA, graphql.parse(query), [limits.DepthRule])
    return [dict(error.extensions or {}) for error in found]


def test_fields_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    assert _refusals(_nested(limits.MAX_DEPTH)) == []
    assert _refusals(_nested(limits.MAX_DEPTH + 1)) == [
        {"code": "TOO_DEEP", "limit": limits.MAX_DEPTH}
    ]


@pytest.mark.parametrize("spread", ["...F", "... on Query { ...F }", "... { ...F }"])
def test_fragments_hide_no_depth(spread: str) -> None:
    query = f"{{ a {{ a {{ {spread} }} }} }} fragment F on Query "
    assert _refusals(query + _nested(limits.MAX_DEPTH - 2)) == []
    assert len(_refusals(query + _nested(limits.MAX_DEPTH - 1))) == 1


def test_a_fragment_that_spreads_itself_ends() -> None:
    assert _refusals("{ ...F } fragment F on Query { a { ...F } }") == []


def test_sixty_fragments_that_each_spread_the_next_twice_are_measured_once() -> None:
    chain = " ".join(
        f"fragment F{n} on Query {{ a {{ ...F{n + 1} }} ...F{n + 1} }}" for n in range(60)
    )
    assert len(_refusals("{ ...F0 } " + chain + " fragment F60 on Query { b }")) == 1
