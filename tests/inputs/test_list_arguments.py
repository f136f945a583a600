"""Each list that a client sends: its limit, the description of the limit, and the cost of its
items.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import graphql
import pytest

from schema.engine.documents import cost, prices, shapes
from tests.support.engine.document_checks import ALLOWED, SCHEMA, measured, refused


@dataclass(frozen=True, slots=True)
class ListInput:
    """A list argument, or a list within an input object; `path` begins with the argument."""

    parent: str
    field: str
    path: tuple[str, ...]
    definition: Any

    def __str__(self) -> str:
        return f"{self.parent}.{self.field}({'.'.join(self.path)})"

    def document(self, argument: str = "$v") -> str:
        """An operation with the argument; the variable has no type that matters here."""
        selection = f"{self.field}({self.path[0]}: {argument}) {{ __typename }}"
        return f"query Q($v: ID) {{ ... on {self.parent} {{ {selection} }} }}"

    def value(self, items: list[Any]) -> Any:
        value: Any = items
        for name in reversed(self.path[1:]):
            value = {name: value}
        return value

    def literal(self, items: int) -> str:
        value = "[" + "1 " * items + "]"
        for name in reversed(self.path[1:]):
            value = f"{{{name}: {value}}}"
        return value


def _below(name: str, definition: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if graphql.is_list_type(graphql.get_nullable_type(definition.type)):
        yield (name,), definition
    inner: Any = graphql.get_named_type(definition.type)
    if graphql.is_input_object_type(inner):
        for field, below in inner.fields.items():
            for path, list_type in _below(field, below):
                yield (name, *path), list_type


LISTS = [
    ListInput(type.name, field, path, list_type)
    for type in SCHEMA.type_map.values()
    if graphql.is_object_type(type) and not type.name.startswith("__")
    for field, definition in type.fields.items()
    for name, argument in definition.args.items()
    for path, list_type in _below(name, argument)
]
every_list = pytest.mark.parametrize("list_input", LISTS, ids=str)


def _limit(list_input: ListInput) -> prices.ListLimit:
    input = shapes.shapes(SCHEMA)[list_input.parent][list_input.field].inputs[list_input.path[0]]
    for name in list_input.path[1:]:
        input = input.fields[name]
    assert input.limit is not None
    return input.limit


def test_arguments_and_input_objects_contain_lists() -> None:
    assert {len(list_input.path) for list_input in LISTS} == {1, 2}


@every_list
def test_the_description_names_the_limit(list_input: ListInput) -> None:
    assert list_input.definition.description.endswith(
        prices.limit_sentence(_limit(list_input).limit)
    )


@every_list
def test_a_list_at_its_limit_is_accepted_and_a_longer_one_refused(list_input: ListInput) -> None:
    limit = _limit(list_input).limit
    measured(list_input.document(), v=list_input.value(["x"] * limit))
    error = refused(list_input.document(), v=list_input.value(["x"] * (limit + 1)))
    assert error == {
        "code": "TOO_MANY_ITEMS",
        "field": list_input.path[-1],
        "limit": limit,
        "requested": limit + 1,
    }


@every_list
def test_the_cost_grows_with_the_length(list_input: ListInput) -> None:
    limit = _limit(list_input)
    single_cost, all_of_them = (
        measured(list_input.document(), v=list_input.value(["x"] * length)).cost
        for length in (1, limit.limit)
    )
    assert limit.each > 0
    assert all_of_them - single_cost >= (limit.limit - 1) * limit.each - 1


@every_list
def test_one_operation_can_pass_the_longest_list(list_input: ListInput) -> None:
    document_cost = measured(
        list_input.document(), v=list_input.value(["x"] * _limit(list_input).limit)
    )
    cost.require(document_cost, ALLOWED)


@every_list
def test_a_literal_costs_as_much_as_a_variable(list_input: ListInput) -> None:
    as_variable = measured(list_input.document(), v=list_input.value(["x"] * 15)).cost
    assert measured(list_input.document(list_input.literal(15))).cost == as_variable


CELLS = "query Q($rows: [ID!]!) { %s }"


def _cells(argument: str) -> str:
    return f"summaryCells(rowIds: {argument}, column: CHARGE) {{ count }}"


def _cost(text: str, **variables: Any) -> int:
    return measured(text, **variables).cost


def test_each_alias_pays_for_the_same_variable() -> None:
    rows = ["x"] * 100
    single = _cost(CELLS % _cells("$rows"), rows=rows) - cost.QUERY
    ten = " ".join(f"a{n}: {_cells('$rows')}" for n in range(10))
    assert _cost(CELLS % ten, rows=rows) - cost.QUERY == pytest.approx(10 * single, abs=10)


def test_the_same_row_id_ten_thousand_times_is_refused_before_it_is_decoded() -> None:
    text = CELLS % " ".join(f"a{n}: {_cells('$rows')}" for n in range(45))
    assert refused(text, rows=["x"] * 10_000)["code"] == "TOO_MANY_ITEMS"
    assert refused(text, rows=["x"] * 500)["code"] == "TOO_COSTLY"


def test_the_default_of_a_variable_counts() -> None:
    text = f"query Q($rows: [ID!]! = [1 2 3]) {{ {_cells('$rows')} }}"
    assert _cost(text) == _cost(f"{{ {_cells('[1 2 3]')} }}") > _cost(f"{{ {_cells('[1]')} }}")


def test_variables_within_lists_and_objects_count() -> None:
    text = "mutation M($ids: [ID!]!) { acceptHeld(input: {ids: $ids}) { __typename } }"
    assert _cost(text, ids=["x"] * 10) > _cost(text, ids=["x"])
    assert refused(text, ids=["x"] * 501)["code"] == "TOO_MANY_ITEMS"
    inside = "mutation M($i: AcceptHeldInput!) { acceptHeld(input: $i) { __typename } }"
    assert _cost(inside, i={"ids": ["x"] * 10}) == _cost(text, ids=["x"] * 10)


def test_a_single_value_counts_as_a_list_of_one_item() -> None:
    text = CELLS % _cells("$rows")
    assert _cost(text, rows="x") == _cost(text, rows=["x"])


@pytest.mark.parametrize("value", [None, 1, True, {}, {"ids": None}, {"ids": [[]]}, "x", []])
def test_a_value_of_another_type_is_left_to_validation(value: Any) -> None:
    text = "mutation M($i: AcceptHeldInput!) { acceptHeld(input: $i) { __typename } }"
    cost.require(measured(text, i=value), ALLOWED)
