"""What a document may be, and what an operation costs."""

import math
from collections import Counter
from dataclasses import fields
from typing import Any

import graphql
import pytest
import queries
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain import callers
from runtime.settings import Settings
from schema import cost, documents, lexical, limits, root, shapes, unknown

SCHEMA = root.api._schema
STAFF = callers.Caller(1, callers.Kind.STAFF, 1, callers.Role.OWNER)
ALLOWED = limits.of(STAFF)


def _measured(text: str, **variables: Any) -> cost.Measured:
    operation = documents.operation(text, None, STAFF)
    return cost.measure(SCHEMA, operation.document, operation.definition, variables)


def _refused(text: str, caller: callers.Caller | None = STAFF, **variables: Any) -> dict[str, Any]:
    with pytest.raises(GraphQLError) as refused:
        _required(text, caller, variables)
    return dict(refused.value.extensions or {})


def _required(text: str, caller: callers.Caller | None, variables: dict[str, Any]) -> None:
    operation = documents.operation(text, None, caller)
    measured = cost.measure(SCHEMA, operation.document, operation.definition, variables)
    cost.require(measured, limits.of(caller))


# The text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*queries.ALL, graphql.get_introspection_query()])
def test_tokens_are_counted_as_graphql_counts_them(text: str) -> None:
    assert lexical.check(text, ALLOWED).tokens == _tokens(text)


_STRINGS = ['"a { b"', '"\\" {"', '"""x " { \\""" """', '""', '""""""', '"""\\\\"""']
_OTHERS = ["# { :\n", "name", "...", "-1.5e+3", *"${}()[]:=@!| ,\n"]
_PIECES = st.sampled_from(_STRINGS + _OTHERS)


@given(st.lists(_PIECES, max_size=30).map(" ".join))
def test_tokens_of_any_text_that_can_be_read_are_counted_as_graphql_counts_them(text: str) -> None:
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
def test_a_text_above_a_limit_is_refused_with_the_limit_and_the_figure(
    text: str, code: str, limit: int, requested: int
) -> None:
    assert _refused(text) == {"code": code, "limit": limit, "requested": requested}


def test_what_stands_in_strings_and_comments_is_no_token() -> None:
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
def test_overlaps_are_the_pairs_side_by_side_of_one_name_or_of_fragments(parts: list[str]) -> None:
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


def test_a_text_kept_for_one_is_still_refused_to_another() -> None:
    text = "{" + "".join(f"viewer{n} {{ __typename }} " for n in range(70)) + "}"
    assert documents.operation(text, None, STAFF)
    told = {"code": "TOO_MANY_TOKENS", "limit": 250, "requested": 282}
    assert _refused(text, None) == told


def test_every_kind_of_caller_has_limits_and_a_stranger_the_least() -> None:
    assert set(limits.LIMITS) == {None, *callers.Kind}
    least = limits.of(None)
    for allowed in limits.LIMITS.values():
        assert all(
            getattr(least, one.name) <= getattr(allowed, one.name) for one in fields(allowed)
        )


def test_an_account_may_always_spend_what_one_operation_may_cost() -> None:
    most = max(allowed.cost for allowed in limits.LIMITS.values())
    assert Settings(cost_capacity=most).cost_capacity == most
    with pytest.raises(ValidationError):
        Settings(cost_capacity=most - 1)


# The operation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", queries.ALL)
def test_every_document_of_the_design_is_within_the_limits(text: str) -> None:
    cost.require(_measured(text, first=100), ALLOWED)


def test_a_dashboard_three_times_as_large_is_within_the_limits() -> None:
    viewer = queries.DASHBOARD.partition("viewer")[2].rpartition("}")[0]
    start = queries.DASHBOARD.partition("viewer")[0]
    text = start + " ".join(f"v{n}: viewer{viewer}" for n in range(3)) + "}"
    cost.require(_measured(text), ALLOWED)


def test_introspection_is_within_a_strangers_limits() -> None:
    text = graphql.get_introspection_query(input_value_deprecation=True)
    operation = documents.operation(text, None, None)
    measured = cost.measure(SCHEMA, operation.document, operation.definition, {})
    cost.require(measured, limits.of(None))
    assert measured.introspects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        ("{ viewer { __typename } }", 2),
        ("{ customers(first: 3) { edges { node { id } } pageInfo { endCursor } } }", 9),
        ("query Q($n: Int! = 3) { customers(first: $n) { edges { node { id } } } }", 8),
        ("{ customers { edges { node { balance { amount } } } } }", 1 + 1 + 50 * 3),
        ("{ carriers(first: 2) { ...C } } fragment C on CarrierConnection { edges { cursor } }", 4),
        ("{ switches { reference } }", 1 + 10),
        ("{ customers(first: 2) { edges { node { stats { total { at } } } } } }", 2 + 2 * 103),
        ("mutation { logout { __typename } }", 11),
        ("{ __type(name: \"Money\") { name } }", 51),
        ("{ __schema { a: types { name } b: types { name } } }", 4_001),
    ],
)  # fmt: skip
def test_the_cost_is_the_objects_asked_for(text: str, expected: int) -> None:
    assert _measured(text).cost == expected


def test_a_page_size_given_as_a_variable_counts() -> None:
    text = "query Q($n: Int! = 7) { customers(first: $n) { edges { cursor } } }"
    assert _measured(text, n=100).cost == 102
    assert _measured(text, n="many").cost == 102  # for validation to refuse
    told = {"code": "BAD_PAGE_SIZE", "limit": 100}
    assert _refused(text, n=101) == told | {"requested": 101}
    assert _refused(text, n=0) == told | {"requested": 0}
    assert _refused(text.replace("$n)", "1000000000000)"))["requested"] == 2**31


def test_fields_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    assert _measured(_nested(16)).depth == 16
    cost.require(_measured(_nested(16)), ALLOWED)
    assert _refused(_nested(17)) == {"code": "TOO_DEEP", "limit": 16, "requested": 17}


@pytest.mark.parametrize("spread", ["...F", "... on Query { ...F }", "... { ...F }"])
def test_fragments_hide_no_depth(spread: str) -> None:
    query = f"{{ a {{ a {{ {spread} }} }} }} fragment F on Query "
    cost.require(_measured(query + _nested(14)), ALLOWED)
    assert _refused(query + _nested(15))["code"] == "TOO_DEEP"


def _nested(depth: int) -> str:
    return "{ a " * (depth - 1) + "{ b" + " }" * depth


@pytest.mark.parametrize("way", ["...F", "a { ...F }", "...G"])
def test_a_fragment_that_spreads_itself_is_refused(way: str) -> None:
    text = f"{{ ...F }} fragment F on Query {{ {way} }} fragment G on Query {{ ...F }}"
    assert _refused(text) == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_a_fragment_that_is_not_there_is_for_validation_to_refuse() -> None:
    assert _measured("{ ...F }").fields == 0


def test_fragments_that_each_spread_the_next_twice_are_measured_once_and_refused() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(28))
    text = "{ ...F0 } " + chain + " fragment F28 on Query { __typename }"
    assert _refused(text) == {"code": "TOO_MANY_FIELDS", "limit": 1_000, "requested": 2**28}


def test_a_figure_that_no_client_can_read_is_told_as_the_largest_it_can() -> None:
    assert _refused_with(2**70)["requested"] == 2**53 - 1


def _refused_with(requested: int) -> dict[str, Any]:
    return dict(limits.refusal("X", "{requested} {limit}", 1, requested).extensions or {})


def test_every_list_with_a_size_of_its_own_is_in_the_schema() -> None:
    for place in shapes.LIST_SIZES:
        type, field = place.split(".")
        named: Any = SCHEMA.type_map[type]
        assert graphql.is_list_type(graphql.get_nullable_type(named.fields[field].type))


# Unknown fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{ viewr { id } }",
        "{ viewer { name } }",
        "{ node(id: 1) { name } }",
        "{ ...F } fragment F on Query { viewer { ... on Staff { __schema { a } nam } } }",
        "{ viewer { __typename ... on Contact { customer { balance { amont } } } } }",
        "subscription { liveChanels { sequence } }",
        "{ __schema { typs { name } } }",
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_an_unknown_field_is_told_as_graphql_tells_it(text: str, hidden: bool) -> None:
    document = graphql.parse(text)
    found = unknown.faults(SCHEMA, document, _measured(text).unknown, hide_suggestions=hidden)
    first = graphql.validate(
        SCHEMA, document, [graphql.FieldsOnCorrectTypeRule], hide_suggestions=hidden
    )[0]
    assert found[0].formatted == first.formatted
    assert ("Did you mean" in found[0].message) is not hidden or "__schema" in text


def test_unknown_fields_are_told_up_to_a_few_and_only_the_first_has_suggestions() -> None:
    text = "{ " + " ".join(f"viewr{n}" for n in range(9)) + " }"
    found = _measured(text).unknown
    told = unknown.faults(SCHEMA, graphql.parse(text), found, hide_suggestions=False)
    assert [one.node.name.value for one in found] == [f"viewr{n}" for n in range(5)]
    assert ["Did you mean" in one.message for one in told] == [True] + [False] * 4


@pytest.mark.parametrize(
    "text",
    [
        '{ __typename viewer { __typename } __type(name: "A") { name } }',
        "{ viewer { ... on Staff { id { b } } } }",
        "{ ...F } fragment F on Nothing { a }",
        "{ ...F } fragment F on LoginInput { a }",
        "{ viewer { ... on Nothing { a } } }",
    ],
)
def test_what_is_no_unknown_field_is_left_to_validation(text: str) -> None:
    assert not _measured(text).unknown


def test_below_an_unknown_field_none_is_told() -> None:
    assert len(_measured("{ viewr { a b { c } } }").unknown) == 1


@pytest.mark.parametrize("text", queries.ALL)
def test_no_field_of_the_design_is_unknown(text: str) -> None:
    assert not _measured(text, first=100).unknown


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
def test_a_document_without_the_operation_asked_for_is_refused(text: str, name: str | None) -> None:
    with pytest.raises(GraphQLError) as refused:
        documents.operation(text, name, None)
    assert refused.value.extensions == {"code": "BAD_REQUEST"}


def test_a_document_that_cannot_be_read_is_refused() -> None:
    assert _refused("{ a") == {"code": "GRAPHQL_PARSE_FAILED"}


def test_the_operation_named_is_the_one_that_runs() -> None:
    text = "query A { a } subscription B { b }"
    assert documents.operation(text, "B", None).is_subscription
    assert not documents.operation(text, "A", None).is_subscription


# Documents kept --------------------------------------------------------------------------------


def test_the_documents_used_last_are_kept_within_both_bounds() -> None:
    kept = documents.Kept(documents=2, tokens=10)
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


def _parsed(tokens: int) -> documents.Parsed:
    counts = lexical.check("{ a }", ALLOWED)._replace(tokens=tokens)
    return documents.Parsed(graphql.parse("{ a }"), counts)
