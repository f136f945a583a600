"""Reads the arguments of a field before validation: counts the items of their lists against the
limits and prices them. Does not decode values."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    EnumValueNode,
    FieldNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

from domain.messaging import texts
from schema.engine.documents import limits, shapes

_TOO_MANY_ITEMS = texts.mark_text(
    "`{argument}` has {requested} items; the limit is {limit}. Send fewer at a time."
)


class Inputs:
    """The inputs of an operation: literals, and variables with their values or defaults."""

    def __init__(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
        defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        self._variables = {**defaults, **variables}

    def value(self, value: Any) -> Any:
        """The value of a node or of JSON. Lists and objects still contain nodes. None for anything
        except a number, a string, an enum value, a list or an object."""
        if isinstance(value, VariableNode):
            value = self._variables.get(value.name.value)
        if isinstance(value, ListValueNode):
            return value.values
        if isinstance(value, ObjectValueNode):
            return {field.name.value: field.value for field in value.fields}
        if isinstance(value, StringValueNode | EnumValueNode):
            return value.value
        if isinstance(value, IntValueNode):
            return _number(value.value)
        return None if isinstance(value, ValueNode) else value

    def argument_value(self, node: FieldNode, name: str) -> Any:
        """The value of a field's argument; None if it is not set."""
        for argument in node.arguments or ():
            if argument.name.value == name:
                return self.value(argument.value)
        return None

    def arguments(self, node: FieldNode) -> dict[str, Any]:
        """A field's arguments with the values of input objects. Lists still contain nodes."""
        values = {
            argument.name.value: self.value(argument.value) for argument in node.arguments or ()
        }
        return {name: self._with_values(value) for name, value in values.items()}

    def _with_values(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: self.value(field) for name, field in value.items()}

    def price(self, node: FieldNode, shape: shapes.Shape) -> float:
        """The price of all list items, also in input objects. Refuses TOO_MANY_ITEMS."""
        return sum(
            self._price(name, input, self.argument_value(node, name))
            for name, input in shape.inputs.items()
        )

    def _price(self, name: str, input: shapes.Input, value: Any) -> float:
        if value is None:
            return 0.0
        items = (
            value if isinstance(value, list | tuple) else [value]
        )  # GraphQL coerces a value to a list
        price = 0.0
        if input.limit is not None:
            if len(items) > input.limit.limit:
                raise limits.refusal(
                    "TOO_MANY_ITEMS", _TOO_MANY_ITEMS, input.limit.limit, len(items), name
                )
            price = len(items) * input.limit.each
        if input.fields:
            price += sum(self._fields(input, item) for item in items)
        return price

    def _fields(self, input: shapes.Input, item: Any) -> float:
        value = self.value(item)
        if not isinstance(value, Mapping):
            return 0.0
        return sum(
            self._price(name, below, self.value(value.get(name)))
            for name, below in input.fields.items()
        )


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 10 else 2**31  # not a GraphQL Int either
