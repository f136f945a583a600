from collections.abc import Iterator

import graphql
from strawberry.utils.str_converters import to_camel_case

from domain.summaries import delays, ratios
from schema import __main__ as sdl
from schema import root

SCHEMA = root.api._schema
OWN = [type for name, type in SCHEMA.type_map.items() if not name.startswith("__")]
BUILT_IN = graphql.specified_scalar_types


def test_the_committed_sdl_is_current() -> None:
    assert sdl.SDL.read_text("utf-8") == sdl.text(), "run `python -m schema`"


def _undescribed() -> Iterator[str]:
    for type in OWN:
        if not type.description and type.name not in BUILT_IN:
            yield type.name
        for name, field in getattr(type, "fields", {}).items():
            if not field.description:
                yield f"{type.name}.{name}"
            for argument, definition in getattr(field, "args", {}).items():
                if not definition.description:
                    yield f"{type.name}.{name}({argument})"


def test_every_type_field_and_argument_is_described() -> None:
    assert list(_undescribed()) == []


def test_every_mutation_returns_a_union_of_its_success_and_the_refusals() -> None:
    assert SCHEMA.mutation_type is not None
    refusal = SCHEMA.type_map["Refusal"]
    assert isinstance(refusal, graphql.GraphQLInterfaceType)
    for name, field in SCHEMA.mutation_type.fields.items():
        result = graphql.get_named_type(field.type)
        assert isinstance(field.type, graphql.GraphQLNonNull)
        assert isinstance(result, graphql.GraphQLUnionType)
        assert result.name == name[0].upper() + name[1:] + "Result"
        refusals = {type for type in result.types if refusal in type.interfaces}
        assert refusals == set(SCHEMA.get_implementations(refusal).objects)
        assert len(result.types) - len(refusals) == 1


def _lists() -> Iterator[tuple[str, graphql.GraphQLOutputType]]:
    for type in OWN:
        if isinstance(type, graphql.GraphQLObjectType):
            for name, field in type.fields.items():
                yield f"{type.name}.{name}", field.type


# Null with an error beside it: they need a permission of their own or can refuse what is asked of
# them (tests/support/api/failing_fields.py). "Not there" is an empty list.
LISTS_THAT_CAN_FAIL = {
    "AlertRule.recipients",
    "AuditEntry.changes",
    "Call.legs",
    "Customer.numberBlocks",
    "Query.switches",
    "Stats.byCarrier",
    "Stats.byCountry",
    "Stats.byCustomer",
    "StatsPoint.charges",
    "StatsPoint.costs",
}


def test_a_list_is_nullable_only_if_it_can_fail_and_never_contains_null() -> None:
    for place, type in _lists():
        nullable = graphql.get_nullable_type(type)
        if isinstance(nullable, graphql.GraphQLList):
            can_fail = place in LISTS_THAT_CAN_FAIL
            assert isinstance(type, graphql.GraphQLNonNull) is not can_fail, place
            assert isinstance(nullable.of_type, graphql.GraphQLNonNull), place


def test_fields_with_the_same_name_within_a_union_have_the_same_type() -> None:
    for union in OWN:
        if not isinstance(union, graphql.GraphQLUnionType):
            continue
        seen: dict[str, str] = {}
        for type in union.types:
            for name, field in type.fields.items():
                own = "!" if isinstance(field.type, graphql.GraphQLNonNull) else ""
                assert seen.setdefault(name, own) == own, f"{union.name}.{name}"


STATISTICS = {
    to_camel_case(statistic.name) for statistic in (*ratios.STATISTICS, *delays.PERCENTILES)
}
NOT_MONEY = STATISTICS | {"cps", "cpsPeak", "ner", "channelsMean", "marginPercent", "ringMs"}


def test_money_is_never_a_float() -> None:
    for type in OWN:
        for name, field in getattr(type, "fields", {}).items():
            if graphql.get_named_type(field.type) is graphql.GraphQLFloat:
                assert name in NOT_MONEY, f"{type.name}.{name}"


def test_only_the_summary_says_whether_it_can_be_billed_and_graphs_say_that_they_cannot() -> None:
    types = {type.name: type for type in OWN}
    billable = {name for name, type in types.items() if "billable" in getattr(type, "fields", {})}
    assert billable == {"SummaryConnection", "AccountSummaryConnection"}
    for name in ("Customer", "Account"):
        assert "Not valid for billing." in types[name].fields["stats"].description
    assert "not valid for billing" in types["Account"].fields["summary"].description
    assert "the only data valid for billing" in types["Customer"].fields["summary"].description
