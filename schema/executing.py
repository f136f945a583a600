"""How operations are executed: as Strawberry does, plain values without its detours.

Most of what is asked for is an attribute of what a resolver has answered, and no more. Such a field
is read at once; whatever is not as it should be goes graphql-core's own way, and so to its errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField


@dataclass(frozen=True, slots=True)
class Plain:
    """A field without a resolver whose value is a scalar or an enum."""

    attribute: str
    coerced: Callable[[Any], Any]
    nullable: bool


class Execution(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.middleware_manager and not self.middleware_manager.middlewares:
            self.middleware_manager = None  # else it is asked about every field
        self._plain = {} if self.middleware_manager else plain_fields(self.schema)
        self._selected: dict[GraphQLObjectType, Any] = {}  # the same of all events of a stream

    def execute_collected_root_fields(
        self, root_type: GraphQLObjectType, root: Any, fields: Any, serially: bool, deferred: Any
    ) -> Any:
        """With the fields that were found at the stream's first event.

        They are the same at all, but graphql-core finds them anew and keeps, by their identity,
        what is selected below them: a subscription would grow with every event.
        """
        fields = self._selected.setdefault(root_type, fields)
        return super().execute_collected_root_fields(root_type, root, fields, serially, deferred)

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, fields: Any, path: Any, context: Any
    ) -> Any:
        plain = self._plain.get((parent_type.name, fields[0].node.name.value))
        if plain is not None:
            try:
                value = getattr(source, plain.attribute)
                if value is None and plain.nullable:
                    return None
                answer = plain.coerced(value)
                if answer is not None and answer is not Undefined:
                    return answer
            except Exception:  # told below, as of any field
                pass
        return super().execute_field(parent_type, source, fields, path, context)


@cache
def plain_fields(schema: GraphQLSchema) -> Mapping[tuple[str, str], Plain]:
    """By the names of the type and of the field."""
    return {
        (type.name, name): plain
        for type in schema.type_map.values()
        if isinstance(type, GraphQLObjectType)
        for name, field in type.fields.items()
        if (plain := _plain(field)) is not None
    }


def _plain(field: Any) -> Plain | None:
    own = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    type: GraphQLLeafType = get_nullable_type(field.type)
    if not isinstance(own, StrawberryField) or not own.is_basic_field or not is_leaf_type(type):
        return None
    if own.default_resolver is not getattr or field.args:
        return None
    return Plain(own.python_name, type.coerce_output_value, not is_non_null_type(field.type))
