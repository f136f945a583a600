"""Limits of the text of a document, the selection of its operation, and the document cache."""

import math
from collections import Counter
from dataclasses import fields
from typing import Any

import graphql
import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.identity import callers
from runtime.settings import Settings
from schema.engine.documents import lexical, limits, parsing
from tests.support import queries
from tests.support.engine.document_checks import ALLOWED, STAFF, refused


@pytest.mark.parametrize("text", [*queries.ALL, graphql.get_introspection_query()])
def test_token_counts_equal_those_of_graphql(text: str) -> None:
    assert lexical.check(text, ALLOWED).tokens == _tokens(text)


_STRINGS = ['"a { b"', '"\\" {"', '"""x " { \\""" """', '""', '""""""', '"""\\\\"""']
_OTHERS = ["# { :\n", "name", "...", "-1.5e+3", *"${}()[]:=@!| ,\n"]
_PIECES = st.sampled_from(_STRINGS + _OTHERS)


@given(st.lists(_PIECES, max_size=30).map(" ".join))
def test_token_counts_of_any_readable_text_equal_those_of_graphql(text: str) -> None:
    try:
        tokens = _tokens(text)
    except graphql.GraphQLSyntaxError:
        return
    assert len(lexical._TOKEN.findall(text)) == tokens


def _tokens(text: str) -> int:
    """Comments too, which the lexer skips but strings together."""
    lexer = graphql.Lexer(graphql.Source(text))
    first = lexer.token
    while lexer.advance().kind is not graphql.TokenKind.EOF:
        pass
    kinds = []
    token: graphql.Token | None = first
    while token is not None:
        kinds.append(token.kind)
        token = token.next
    return len(kinds) - 2


@pytest.mark.parametrize(
    ("text", "code", "limit", "requested"),
    [
        (" " * 20_001, "TOO_LONG", ALLOWED.length, 20_001),
        ("#" + "x" * 7_000, "TOO_LONG", ALLOWED.characters, 7_001),
        ("{" + "a " * 700 + "}", "TOO_MANY_TOKENS", ALLOWED.tokens, 702),
        ("query A{a}" * 41, "TOO_MANY_DEFINITIONS", ALLOWED.definitions, 41),
        ("{a" + "@b" * 41 + "}", "TOO_MANY_DIRECTIVES", ALLOWED.directives, 41),
        ("{" + "...A " * 61 + "}", "TOO_MANY_FRAGMENTS", ALLOWED.spreads, 61),
        ("{" + "a:b(c:{}) " * 61 + "}", "TOO_MANY_ALIASES", ALLOWED.aliases, 61),
        ("{a" * 25, "TOO_DEEP", ALLOWED.nesting, 25),
        ("{" + "a " * 21 + "}", "TOO_MANY_OVERLAPS", ALLOWED.overlaps, 210),
        ("{" + "a{b}" * 21 + "}", "TOO_MANY_OVERLAPS", ALLOWED.overlaps, 210),
        ("{" + "...A " * 21 + "}", "TOO_MANY_OVERLAPS", ALLOWED.overlaps, 210),
        ("{" + "... on A{b} " * 21 + "}", "TOO_MANY_OVERLAPS", ALLOWED.overlaps, 210),
        ("{a(b:" + "[" * 23, "TOO_DEEP", ALLOWED.nesting, 25),
    ],
)
def test_a_text_above_a_limit_is_refused_with_the_limit_and_the_measured_value(
    text: str, code: str, limit: int, requested: int
) -> None:
    assert refused(text) == {"code": code, "limit": limit, "requested": requested}


def test_the_contents_of_strings_and_comments_are_not_tokens() -> None:
    text = '{ a(b: "{ @x } ...y z: \\"", c: """ { " \\""" : """) } # { @ ... b: c'
    counts = lexical.check(text, ALLOWED)
    assert (counts.tokens, counts.nesting, counts.directives) == (12, 2, 0)
    assert (counts.spreads, counts.aliases, counts.definitions) == (0, 0, 1)
    assert counts.overlaps == 0


_SELECTED = st.recursive(
    st.sampled_from(
        ["a", "b", "on", "a: b", "a(on: {a: a}) @a(a: a)", "...F", "... F @on # a\n", "on:#\n a,"]
    ),
    lambda inner: st.tuples(
        st.sampled_from(["a", "on: a", "... on a", "...", "...@a", 'b(a: [a, "{"])']),
        st.lists(inner, min_size=1, max_size=4),
    ).map(lambda of: f"{of[0]} {{ {' '.join(of[1])} }}"),
    max_leaves=12,
)


@given(st.lists(_SELECTED, min_size=1, max_size=6))
def test_overlaps_are_pairs_of_fields_with_one_name_or_of_fragments_in_a_selection(
    parts: list[str],
) -> None:
    text = f"query a($a: a = {{a: a}}) {{ {' '.join(parts)} }} fragment on_ on a {{ a a }}"
    assert lexical.check(text, ALLOWED).overlaps == _pairs(graphql.parse(text))


def _pairs(document: graphql.DocumentNode) -> int:
    class Counting(graphql.Visitor):
        pairs = 0

        def enter_selection_set(self, node: graphql.SelectionSetNode, *_: Any) -> None:
            names = Counter(
                (one.alias or one.name).value if isinstance(one, graphql.FieldNode) else "..."
                for one in node.selections
            )
            self.pairs += sum(math.comb(times, 2) for times in names.values())

    counting = Counting()
    graphql.visit(document, counting)
    return counting.pairs


def test_a_cached_document_of_one_caller_is_still_refused_to_another() -> None:
    text = "{" + "".join(f"viewer{n} {{ __typename }} " for n in range(70)) + "}"
    assert parsing.operation(text, None, STAFF)
    told = {"code": "TOO_MANY_TOKENS", "limit": 250, "requested": 282}
    assert refused(text, None) == told


def test_every_kind_of_caller_has_limits_and_an_unauthenticated_caller_the_lowest() -> None:
    assert set(limits.LIMITS) == {None, *callers.Kind}
    least = limits.of(None)
    for allowed in limits.LIMITS.values():
        assert all(
            getattr(least, one.name) <= getattr(allowed, one.name) for one in fields(allowed)
        )


def test_an_account_can_always_afford_the_most_expensive_operation() -> None:
    most = max(allowed.cost for allowed in limits.LIMITS.values())
    assert Settings(cost_capacity=most).cost_capacity == most
    with pytest.raises(ValidationError):
        Settings(cost_capacity=most - 1)


# Which operation -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", None),
        ("fragment F on Query { a }", None),
        ("query A { a }", "B"),
        ("query A { a } query B { b }", None),
    ],
)
def test_a_document_without_the_requested_operation_is_refused(text: str, name: str | None) -> None:
    with pytest.raises(GraphQLError) as error:
        parsing.operation(text, name, None)
    assert error.value.extensions == {"code": "BAD_REQUEST"}


def test_an_unreadable_document_is_refused() -> None:
    assert refused("{ a") == {"code": "GRAPHQL_PARSE_FAILED"}


def test_the_named_operation_is_executed() -> None:
    text = "query A { a } subscription B { b }"
    assert parsing.operation(text, "B", None).is_subscription
    assert not parsing.operation(text, "A", None).is_subscription


# Documents kept --------------------------------------------------------------------------------


def test_the_most_recent_documents_are_cached_within_both_limits() -> None:
    kept = parsing.DocumentCache(documents=2, tokens=10)
    for text in ("a", "b"):
        kept.put(text, _parsed(3))
    assert kept.get("a")
    kept.put("c", _parsed(3))
    assert (kept.get("a") is not None, kept.get("b")) == (True, None)
    kept.put("d", _parsed(8))
    assert (kept.get("a"), kept.get("c")) == (None, None)
    assert kept.get("d") is not None
    kept.put("e", _parsed(11))
    assert kept.get("e") is None


def _parsed(tokens: int) -> parsing.Parsed:
    counts = lexical.check("{ a }", ALLOWED)._replace(tokens=tokens)
    return parsing.Parsed(graphql.parse("{ a }"), counts)
