"""Decodes variables with thousands of values in a thread, to keep the event loop responsive.

graphql-core decodes all variables at once when it prepares to execute an operation. Then it
receives the values that were decoded before.
"""

from collections.abc import Collection
from functools import partial
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, VariableDefinitionNode
from graphql.execution import executor
from graphql.execution.values import VariableValues, get_variable_values

from resolvers import loop_share

_MAX_ERRORS = 50  # graphql-core's own limit
_MAX_VALUES_ON_LOOP = 1_000  # about 1 ms of work

Values = VariableValues | list[GraphQLError]


class DecodedVariables(dict[str, Any]):
    """Variables of a request. `decoded_values` are those of graphql-core, or its errors."""

    decoded_values: Values


async def read(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The variables; decoded if they have many values."""
    if not variables or _count(variables, _MAX_VALUES_ON_LOOP) <= _MAX_VALUES_ON_LOOP:
        return variables
    decoded = DecodedVariables(variables)
    definitions = operation.variable_definitions or ()
    decoded.decoded_values = await loop_share.in_thread(
        partial(get_variable_values, schema, definitions, variables, _MAX_ERRORS)
    )
    return decoded


def install() -> None:
    """Lets graphql-core use the decoded values. Call once per process."""
    setattr(executor, "get_variable_values", _values)  # noqa: B010 - not a public name


def _values(
    schema: GraphQLSchema,
    definitions: Collection[VariableDefinitionNode],
    inputs: dict[str, Any],
    max_errors: int | None = None,
    hide_suggestions: bool = False,
) -> Values:
    if isinstance(inputs, DecodedVariables):
        return inputs.decoded_values
    return get_variable_values(schema, definitions, inputs, max_errors, hide_suggestions)


def _count(value: dict[str, Any], limit: int) -> int:
    """The number of values in lists and objects. Stops counting above `limit`."""
    count, unread = 0, list[Any]([value])
    while unread and count <= limit:
        container = unread.pop()
        items = container.values() if isinstance(container, dict) else container
        count += len(items)
        unread.extend(item for item in items if isinstance(item, dict | list))
    return count
