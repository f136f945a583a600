"""What is told of fields that their types do not have, by graphql-core's own rule.

Asked of these places alone: the rule's way to them would be a visit of the whole document.
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

from schema import cost

MOST_SUGGESTED = 1  # faults that suggest another name: each looks at all of the type's


class _Place(ValidationContext):
    """A field of a type that has none of its name."""

    type: GraphQLCompositeType

    def get_parent_type(self) -> GraphQLCompositeType:
        return self.type

    def get_field_def(self) -> None:
        return None


def faults(
    schema: GraphQLSchema,
    document: DocumentNode,
    fields: Sequence[cost.Unknown],
    *,
    hide_suggestions: bool,
) -> list[GraphQLError]:
    found: list[GraphQLError] = []
    for number, field in enumerate(fields):
        hidden = hide_suggestions or number >= MOST_SUGGESTED
        place = _Place(schema, document, TypeInfo(schema), found.append, hidden)
        type = schema.get_type(field.type)
        assert is_composite_type(type)
        place.type = type
        FieldsOnCorrectTypeRule(place).enter_field(field.node)
    return found
