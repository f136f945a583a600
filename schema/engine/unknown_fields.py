"""Errors for fields that their types do not have, from graphql-core's own rule.

The rule is applied only to these fields. Otherwise it would have to visit the whole document.
"""

from collections.abc import Sequence

from graphql import (
    DocumentNode,
    FieldsOnCorrectTypeRule,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLSchema,
    TypeInfo,
    ValidationContext,
    is_composite_type,
)

from schema.engine.documents import cost

MAX_SUGGESTIONS = 1  # errors with suggestions, each of which compares all names of the type


class _UnknownFieldContext(ValidationContext):
    """The context of a field that its type does not have."""

    type: GraphQLCompositeType

    def get_parent_type(self) -> GraphQLCompositeType:
        return self.type

    def get_field_def(self) -> None:
        return None


def faults(
    schema: GraphQLSchema,
    document: DocumentNode,
    fields: Sequence[cost.UnknownField],
    *,
    hide_suggestions: bool,
) -> list[GraphQLError]:
    found: list[GraphQLError] = []
    for number, field in enumerate(fields):
        hidden = hide_suggestions or number >= MAX_SUGGESTIONS
        context = _UnknownFieldContext(schema, document, TypeInfo(schema), found.append, hidden)
        type = schema.get_type(field.type)
        assert is_composite_type(type)
        context.type = type
        FieldsOnCorrectTypeRule(context).enter_field(field.node)
    return found
