"""The cost and depth of an operation, and its unknown fields."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
import pytest

from schema.engine import unknown_fields
from schema.engine.documents import cost, limits, parsing, shapes
from tests.support import queries
from tests.support.engine.document_checks import ALLOWED, SCHEMA, measured, refused, require


@pytest.mark.parametrize("text", queries.ALL)
def test_every_client_document_is_within_the_limits(text: str) -> None:
    cost.require(measured(text, first=100), ALLOWED)


def test_a_dashboard_three_times_as_large_is_within_the_limits() -> None:
    viewer = queries.DASHBOARD.partition("viewer")[2].rpartition("}")[0]
    start = queries.DASHBOARD.partition("viewer")[0]
    text = start + " ".join(f"v{n}: viewer{viewer}" for n in range(3)) + "}"
    cost.require(measured(text), ALLOWED)


def test_introspection_is_within_the_limits_of_an_unauthenticated_caller() -> None:
    text = graphql.get_introspection_query(input_value_deprecation=True)
    operation = parsing.operation(text, None, None)
    found = cost.measure(SCHEMA, operation.document, operation.definition, {})
    cost.require(found, limits.of(None))
    assert found.introspects


def _cost(text: str, **variables: Any) -> int:
    return measured(text, **variables).cost


def test_every_operation_has_a_base_cost_and_a_mutation_a_higher_one() -> None:
    assert _cost("{ __typename }") == math.ceil(cost.QUERY + shapes.LEAF)
    assert _cost("mutation { __typename }") == math.ceil(cost.MUTATION + shapes.LEAF)


def test_a_field_with_a_resolver_costs_more_than_a_plain_attribute() -> None:
    viewer = shapes.RESOLVED + shapes.OBJECT + shapes.LEAF
    assert _cost("{ viewer { __typename } }") == math.ceil(cost.QUERY + viewer)


ITEM = shapes.EDGE + shapes.LEAF + shapes.OBJECT + shapes.LEAF  # edges { node { id } }
PAGE = "query Q($n: Int! = 10) { customers(first: $n) { edges { node { id } } } }"


def test_the_fields_of_a_page_count_once_per_item() -> None:
    assert _cost(PAGE, n=20) - _cost(PAGE, n=10) == pytest.approx(10 * ITEM, abs=1)
    literal = "{ customers(first: 10) { edges { node { id } } } }"
    assert _cost(PAGE) == _cost(PAGE, n=10) == _cost(literal)


def test_a_page_without_a_size_counts_as_the_default_size() -> None:
    text = "{ customers%s { edges { node { balance { amount } } } } }"
    assert _cost(text % "") == _cost(text % "(first: 50)")


def test_a_fragment_counts_at_each_of_its_spreads() -> None:
    spread = "{ carriers(first: 2) { ...C } } fragment C on CarrierConnection { edges { cursor } }"
    assert _cost(spread) == _cost("{ carriers(first: 2) { edges { cursor } } }")


def test_the_fields_of_other_list_items_count_by_the_usual_length_of_the_list() -> None:
    more = _cost("{ switches { reference timeZone } }") - _cost("{ switches { reference } }")
    assert more == pytest.approx(shapes.LIST_SIZE * shapes.LEAF, abs=1)


STATS = """query Q($from: DateTime!, $to: DateTime!) { node(id: 1) { ... on Customer {
  stats(from: $from, to: $to, interval: %s) { %s } } } }"""


def _graph(days: int, interval: str = "HOUR", asked: str = "total { at }") -> int:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    end = start + timedelta(days=days)
    return _cost(STATS % (interval, asked), to=end.isoformat(), **{"from": start.isoformat()})


def test_the_cost_of_a_graph_depends_on_its_points() -> None:
    assert _graph(20) - _graph(10) == pytest.approx(_graph(30) - _graph(20), abs=1)
    assert _graph(30) > 20 * (_graph(2) - _graph(1))
    assert _graph(30, "DAY") < _graph(30) / 3
    by_carrier = "byCarrier { points { at } }"
    assert _graph(10, asked=by_carrier) - _graph(10) > 9 * 240 * shapes.OBJECT


def test_a_graph_that_is_refused_for_its_length_costs_hardly_anything() -> None:
    assert _graph(82) < _graph(83)
    assert _graph(84) == _graph(731) == _graph(732, "DAY") < _graph(1)
    assert _graph(731, "DAY") > _graph(730, "DAY")


def test_the_cost_of_a_reconciliation_depends_on_its_hours() -> None:
    text = """query Q($from: DateTime!, $to: DateTime!) {
      reconciliation(customerId: 1, from: $from, to: $to) { balanced } }"""
    day, year = (
        _cost(text, **{"from": "2026-01-01T00:00:00Z"}, to=to)
        for to in ("2026-01-02T00:00:00Z", "2027-01-01T00:00:00Z")
    )
    assert year > day + 364 * 10


@pytest.mark.parametrize("odd", [None, 1, "", "x", "2026-11-22T03:00:00", ["x"], {}])
def test_an_invalid_instant_is_left_to_validation(odd: Any) -> None:
    measured(STATS % ("HOUR", "total { at }"), to=odd, **{"from": odd})


PASSWORDS = [
    "login(input: {email: 1, password: 1})",
    "changePassword(input: {current: 1, new: 1})",
    "resetPassword(input: {token: 1, password: 1})",
    "acceptInvitation(input: {token: 1, password: 1})",
    "enableTwoFactor(input: {password: 1})",
    "disableTwoFactor(input: {password: 1})",
    "regenerateRecoveryCodes(input: {password: 1})",
    "createContact(input: {password: 1})",
    "createStaff(input: {password: 1})",
    "updateProfile(input: {currentPassword: 1})",
]


@pytest.mark.parametrize("mutation", PASSWORDS)
def test_one_operation_can_compare_only_a_few_passwords(mutation: str) -> None:
    once = f"mutation {{ {mutation} {{ __typename }} }}"
    cost.require(measured(once), ALLOWED)
    assert _cost(once) > 8_000
    twenty = " ".join(f"a{n}: {mutation} {{ __typename }}" for n in range(20))
    assert refused(f"mutation {{ {twenty} }}")["code"] == "TOO_COSTLY"


PUBLIC = ("login", "resetPassword", "acceptInvitation")


@pytest.mark.parametrize("mutation", PASSWORDS)
def test_an_unauthenticated_caller_pays_only_for_passwords_it_can_have_compared(
    mutation: str,
) -> None:
    """Others learn that they have to sign in, not that they ask for too much."""
    once = f"mutation {{ {mutation} {{ __typename }} }}"
    twice = f"mutation {{ a: {mutation} {{ __typename }} b: {mutation} {{ __typename }} }}"
    require(once, None)
    if mutation.startswith(PUBLIC):
        assert refused(twice, None)["code"] == "TOO_COSTLY"
    else:
        require(twice, None)


def test_inviting_a_contact_costs_no_password() -> None:
    assert _cost("mutation { createContact(input: {name: 1}) { __typename } }") < 1_000


def test_each_alias_of_introspection_doubles_its_cost() -> None:
    assert _cost('{ __type(name: "Money") { name } }') == cost.QUERY + 50
    aliases = "{ __schema { a: types { name } b: types { name } } }"
    assert _cost(aliases) == cost.QUERY + 4_000


def test_a_page_size_in_a_variable_counts() -> None:
    text = "query Q($n: Int! = 7) { customers(first: $n) { edges { cursor } } }"
    assert _cost(text) < _cost(text, n=8) < _cost(text, n=100)
    assert _cost(text, n="many") == _cost(text, n=100)  # for validation to refuse
    told = {"code": "BAD_PAGE_SIZE", "limit": 100}
    assert refused(text, n=101) == told | {"requested": 101}
    assert refused(text, n=0) == told | {"requested": 0}
    assert refused(text.replace("$n)", "1000000000000)"))["requested"] == 2**31


def test_fields_can_be_nested_up_to_the_limit() -> None:
    assert measured(_nested(16)).depth == 16
    cost.require(measured(_nested(16)), ALLOWED)
    assert refused(_nested(17)) == {"code": "TOO_DEEP", "limit": 16, "requested": 17}


@pytest.mark.parametrize("spread", ["...F", "... on Query { ...F }", "... { ...F }"])
def test_fragments_do_not_hide_depth(spread: str) -> None:
    query = f"{{ a {{ a {{ {spread} }} }} }} fragment F on Query "
    cost.require(measured(query + _nested(14)), ALLOWED)
    assert refused(query + _nested(15))["code"] == "TOO_DEEP"


def _nested(depth: int) -> str:
    return "{ a " * (depth - 1) + "{ b" + " }" * depth


@pytest.mark.parametrize("way", ["...F", "a { ...F }", "...G"])
def test_a_fragment_that_spreads_itself_is_refused(way: str) -> None:
    text = f"{{ ...F }} fragment F on Query {{ {way} }} fragment G on Query {{ ...F }}"
    assert refused(text) == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_a_missing_fragment_is_left_to_validation() -> None:
    assert measured("{ ...F }").fields == 0


def test_a_chain_of_fragments_that_double_is_measured_once_and_refused() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(28))
    text = "{ ...F0 } " + chain + " fragment F28 on Query { __typename }"
    assert refused(text) == {"code": "TOO_MANY_FIELDS", "limit": 1_000, "requested": 2**28}


def test_a_cost_beyond_the_integer_range_is_reported_as_the_largest_integer() -> None:
    assert _refused_with(2**70)["requested"] == 2**53 - 1


def _refused_with(requested: int) -> dict[str, Any]:
    return dict(limits.refusal("X", "{requested} {limit}", 1, requested).extensions or {})


def test_every_list_with_a_specific_length_exists_in_the_schema() -> None:
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
def test_an_unknown_field_is_reported_as_in_graphql(text: str, hidden: bool) -> None:
    document = graphql.parse(text)
    found = unknown_fields.faults(SCHEMA, document, measured(text).unknown, hide_suggestions=hidden)
    first = graphql.validate(
        SCHEMA, document, [graphql.FieldsOnCorrectTypeRule], hide_suggestions=hidden
    )[0]
    assert found[0].formatted == first.formatted
    assert ("Did you mean" in found[0].message) is not hidden or "__schema" in text


def test_only_a_few_unknown_fields_are_reported_and_only_the_first_has_suggestions() -> None:
    text = "{ " + " ".join(f"viewr{n}" for n in range(9)) + " }"
    found = measured(text).unknown
    told = unknown_fields.faults(SCHEMA, graphql.parse(text), found, hide_suggestions=False)
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
def test_errors_other_than_unknown_fields_are_left_to_validation(text: str) -> None:
    assert not measured(text).unknown


def test_fields_below_an_unknown_field_are_not_reported() -> None:
    assert len(measured("{ viewr { a b { c } } }").unknown) == 1


@pytest.mark.parametrize("text", queries.ALL)
def test_no_client_document_has_an_unknown_field(text: str) -> None:
    assert not measured(text, first=100).unknown
