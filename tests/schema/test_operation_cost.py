"""What an operation costs, how deep it is, and which of its fields there are not."""

from typing import Any

import graphql
import pytest
import queries
from measuring import ALLOWED, SCHEMA, measured, refused

from schema import cost, documents, limits, shapes, unknown


@pytest.mark.parametrize("text", queries.ALL)
def test_every_document_of_the_design_is_within_the_limits(text: str) -> None:
    cost.require(measured(text, first=100), ALLOWED)


def test_a_dashboard_three_times_as_large_is_within_the_limits() -> None:
    viewer = queries.DASHBOARD.partition("viewer")[2].rpartition("}")[0]
    start = queries.DASHBOARD.partition("viewer")[0]
    text = start + " ".join(f"v{n}: viewer{viewer}" for n in range(3)) + "}"
    cost.require(measured(text), ALLOWED)


def test_introspection_is_within_a_strangers_limits() -> None:
    text = graphql.get_introspection_query(input_value_deprecation=True)
    operation = documents.operation(text, None, None)
    found = cost.measure(SCHEMA, operation.document, operation.definition, {})
    cost.require(found, limits.of(None))
    assert found.introspects


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
    assert measured(text).cost == expected


def test_a_page_size_given_as_a_variable_counts() -> None:
    text = "query Q($n: Int! = 7) { customers(first: $n) { edges { cursor } } }"
    assert measured(text, n=100).cost == 102
    assert measured(text, n="many").cost == 102  # for validation to refuse
    told = {"code": "BAD_PAGE_SIZE", "limit": 100}
    assert refused(text, n=101) == told | {"requested": 101}
    assert refused(text, n=0) == told | {"requested": 0}
    assert refused(text.replace("$n)", "1000000000000)"))["requested"] == 2**31


def test_fields_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    assert measured(_nested(16)).depth == 16
    cost.require(measured(_nested(16)), ALLOWED)
    assert refused(_nested(17)) == {"code": "TOO_DEEP", "limit": 16, "requested": 17}


@pytest.mark.parametrize("spread", ["...F", "... on Query { ...F }", "... { ...F }"])
def test_fragments_hide_no_depth(spread: str) -> None:
    query = f"{{ a {{ a {{ {spread} }} }} }} fragment F on Query "
    cost.require(measured(query + _nested(14)), ALLOWED)
    assert refused(query + _nested(15))["code"] == "TOO_DEEP"


def _nested(depth: int) -> str:
    return "{ a " * (depth - 1) + "{ b" + " }" * depth


@pytest.mark.parametrize("way", ["...F", "a { ...F }", "...G"])
def test_a_fragment_that_spreads_itself_is_refused(way: str) -> None:
    text = f"{{ ...F }} fragment F on Query {{ {way} }} fragment G on Query {{ ...F }}"
    assert refused(text) == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_a_fragment_that_is_not_there_is_for_validation_to_refuse() -> None:
    assert measured("{ ...F }").fields == 0


def test_fragments_that_each_spread_the_next_twice_are_measured_once_and_refused() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(28))
    text = "{ ...F0 } " + chain + " fragment F28 on Query { __typename }"
    assert refused(text) == {"code": "TOO_MANY_FIELDS", "limit": 1_000, "requested": 2**28}


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
    found = unknown.faults(SCHEMA, document, measured(text).unknown, hide_suggestions=hidden)
    first = graphql.validate(
        SCHEMA, document, [graphql.FieldsOnCorrectTypeRule], hide_suggestions=hidden
    )[0]
    assert found[0].formatted == first.formatted
    assert ("Did you mean" in found[0].message) is not hidden or "__schema" in text


def test_unknown_fields_are_told_up_to_a_few_and_only_the_first_has_suggestions() -> None:
    text = "{ " + " ".join(f"viewr{n}" for n in range(9)) + " }"
    found = measured(text).unknown
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
    assert not measured(text).unknown


def test_below_an_unknown_field_none_is_told() -> None:
    assert len(measured("{ viewr { a b { c } } }").unknown) == 1


@pytest.mark.parametrize("text", queries.ALL)
def test_no_field_of_the_design_is_unknown(text: str) -> None:
    assert not measured(text, first=100).unknown
