"""Plain values are read directly, with the same results as in graphql-core."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import graphql
import pytest
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from bench.fanout import crowd
from models import tables
from schema import root
from schema.directory import carriers
from schema.engine import errors, executing
from schema.engine.plans import fields as plan_fields
from schema.live import live_channels

SCHEMA = root.api._schema
DOCUMENT = graphql.parse(crowd.DOCUMENT)
AT = datetime(2026, 11, 22, 3, tzinfo=UTC)


def _channels(**changed: Any) -> live_channels.Channels:
    carrier = carriers.Carrier(row=tables.Carrier(), id="abc", reference=None, name=None)
    shown: dict[str, Any] = {
        "sequence": 1,
        "as_of": AT,
        "in_use": 5,
        "limit": None,
        "cps": 0.5,
        "by_carrier": [live_channels.CarrierChannels(carrier=carrier, in_use=5)],
    }
    return live_channels.Channels(**shown | changed)


def _executed(
    executor: Any, shown: Any, document: graphql.DocumentNode = DOCUMENT
) -> tuple[Any, list[Any]]:
    built = executor.build(SCHEMA, document)
    result = built.build_per_event_executor(shown).execute_operation(False)
    return result.data, [error.formatted for error in result.errors or ()]


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({}, 0),
        ({"in_use": None}, 1),
        ({"in_use": "many"}, 1),
        ({"in_use": 2**53}, 1),
        ({"cps": float("nan")}, 1),
        ({"as_of": AT.replace(tzinfo=None)}, 1),
        ({"limit": "none"}, 1),
        ({"sequence": ValueError("no sequence")}, 1),
        ({"by_carrier": [live_channels.CarrierChannels(carrier=None, in_use=1)]}, 0),
        ({"by_carrier": [None]}, 1),
        ({"by_carrier": {}}, 1),
    ],
)
def test_a_plain_value_is_resolved_as_in_graphql_core(changed: dict[str, Any], faults: int) -> None:
    told = _executed(executing.Execution, _channels(**changed))
    assert told == _executed(StrawberryGraphQLCoreExecutionContext, _channels(**changed))
    assert len(told[1]) == faults


def test_a_missing_attribute_is_resolved_as_in_graphql_core() -> None:
    shown = _channels()
    del shown.cps
    told = _executed(executing.Execution, shown)
    assert told == _executed(StrawberryGraphQLCoreExecutionContext, shown)
    assert len(told[1]) == 1


async def test_a_long_subscription_does_not_grow_with_its_events() -> None:
    kept: list[int] = []

    class Counted(executing.Execution):
        def execute_operation(self, *args: Any) -> Any:
            told = super().execute_operation(*args)
            kept.append(len(self._relevant_sub_fields) + len(self._readers))
            return told

    async def states() -> AsyncIterator[live_channels.Channels]:
        for in_use in range(100):
            # Some are told by graphql-core, which keeps what it has found out too.
            yield _channels(in_use=in_use, limit="none" if in_use % 2 else None)

    executor: Any = Counted.build(SCHEMA, DOCUMENT)
    stream = graphql.map_source_to_response_event(executor, states())
    assert [told.data["liveChannels"]["inUse"] async for told in stream] == list(range(100))
    assert kept[-1] == kept[2]


@pytest.mark.parametrize("of", ["sequence __typename", "kind: __typename byCarrier { __typename }"])
def test_a_type_is_resolved_as_in_graphql_core(of: str) -> None:
    document = graphql.parse(f"subscription {{ liveChannels {{ {of} }} }}")
    told = _executed(executing.Execution, _channels(), document)
    assert told == _executed(StrawberryGraphQLCoreExecutionContext, _channels(), document)
    assert "Channels" in told[0]["liveChannels"].values()


def test_only_fields_without_a_resolver_or_arguments_are_read_directly() -> None:
    found = plan_fields.plain_fields(SCHEMA)
    assert ("Channels", "inUse") in found
    assert ("Channels", "byCarrier") in found
    assert ("Customer", "channels") not in found
    for (type, name), plain in found.items():
        named: Any = SCHEMA.type_map[type]
        field = named.fields[name]
        own = field.extensions["strawberry-definition"]
        assert own.base_resolver is None
        assert not own.extensions
        assert not field.args
        assert own.python_name == plain.attribute


@pytest.mark.parametrize("wrong", [None, "many", 2**53, ValueError("of ours")])
def test_a_value_that_cannot_be_serialized_is_reported_as_an_internal_error(wrong: Any) -> None:
    built = executing.Execution.build(SCHEMA, DOCUMENT)
    assert isinstance(built, executing.Execution)
    executor = built.build_per_event_executor(_channels(in_use=wrong))
    [error] = executor.execute_operation(False).errors
    told = errors.to_client(error, "en")
    assert told.path == ["liveChannels", "inUse"]
    assert told.extensions is not None
    assert told.extensions["code"] == "INTERNAL"
    assert told.message == f"Internal error {told.extensions['id']}"


def test_an_invalid_variable_is_reported_as_an_error_of_the_caller() -> None:
    document = graphql.parse("query ($id: ID) { invoice(id: $id) { id } }")
    built = executing.Execution.build(SCHEMA, document)
    assert isinstance(built, executing.Execution)
    result: Any = built.execute_operation()
    [told] = [errors.to_client(error, "en") for error in result.errors]
    assert told.extensions == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert "$id" in told.message
