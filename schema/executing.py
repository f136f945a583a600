"""How operations are executed: as Strawberry does, plain values without its detours.

Most of what is asked for is an attribute of what a resolver has answered, and no more. Such a field
is read at once, and an object of nothing else as a whole; whatever is not as it should be goes
graphql-core's own way, and so to its errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from graphql import (
    ExecutionResult,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

Read: TypeAlias = Callable[[Any], Any]


class UnlikeError(Exception):
    """A value is not what its type says: graphql-core tells how."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A field without a resolver or arguments, whose value is the attribute."""

    attribute: str
    type: GraphQLOutputType
    read: Read | None  # where it is a scalar or an enum


@dataclass(frozen=True, slots=True)
class _Event:
    """An event of a subscription, read as a whole; in the place of its executor."""

    value: Any
    read: Read
    otherwise: Callable[[Any], Any]  # its executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        try:
            return ExecutionResult(self.read(self.value), None)
        except Exception:  # told as of any field
            return self.otherwise(self.value).execute_operation(serially)


class Execution(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.middleware_manager and not self.middleware_manager.middlewares:
            self.middleware_manager = None  # else it is asked about every field
        self._plain = {} if self.middleware_manager else plain_fields(self.schema)
        # The same for all events of a stream: each has a shallow copy of this.
        self._selected: dict[GraphQLObjectType, Any] = {}
        self._reads: dict[tuple[GraphQLOutputType, int], Read | None] = {}

    def build_per_event_executor(self, payload: Any) -> Any:
        """Of what a subscription yields: from the second event on, whether it is plain is known."""
        read = self._event() if self._selected else None
        whole = super().build_per_event_executor
        return whole(payload) if read is None else _Event(payload, read, whole)

    def execute_collected_root_fields(
        self, root_type: GraphQLObjectType, root: Any, fields: Any, serially: bool, deferred: Any
    ) -> Any:
        """With the fields that were found at the stream's first event.

        They are the same at all, but graphql-core finds them anew and keeps, by their identity,
        what is selected below them: a subscription would grow with every event.
        """
        fields = self._selected.setdefault(root_type, fields)
        return super().execute_collected_root_fields(root_type, root, fields, serially, deferred)

    def _event(self) -> Read | None:
        """The data of an event: of each root field it is the value."""
        ((root_type, selected),) = self._selected.items()
        key = (root_type, id(selected))
        if key not in self._reads:
            reads = {
                name: self._read(root_type.fields[found[0].node.name.value].type, found)
                for name, found in selected.items()
                if found[0].node.name.value in root_type.fields
            }
            self._reads[key] = _of_one(reads) if len(reads) == len(selected) else None
        return self._reads[key]

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, fields: Any, path: Any, context: Any
    ) -> Any:
        name = fields[0].node.name.value
        plain = self._plain.get((parent_type.name, name))
        try:
            if plain is not None and plain.read is not None:
                return plain.read(getattr(source, plain.attribute))
        except Exception:  # told below, as of any field
            pass
        return super().execute_field(parent_type, source, fields, path, context)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        fields: Any,
        info: Any,
        path: Any,
        result: Any,
        ctx: Any,
    ) -> Any:
        read = self._read(return_type, fields)
        if read is not None:
            try:
                return read(result)
            except Exception:  # told below
                pass
        return super().complete_object_value(return_type, fields, info, path, result, ctx)

    def _read(self, type: GraphQLOutputType, fields: Any) -> Read | None:
        """What answers with a value of the type; None unless all that is selected is plain."""
        key = (type, id(fields))  # fields that are kept above, or by `collect_subfields`
        if key not in self._reads:
            self._reads[key] = self._made(type, fields)
        return self._reads[key]

    def _made(self, type: GraphQLOutputType, fields: Any) -> Read | None:
        if is_leaf_type(type):
            return _leaf(type)
        if is_object_type(type):
            return self._object(type, fields)
        if not (is_non_null_type(type) or is_list_type(type)):
            return None
        of = self._read(type.of_type, fields)
        if of is None:
            return None
        return _not_null(of) if is_non_null_type(type) else _each(of)

    def _object(self, type: GraphQLObjectType, fields: Any) -> Read | None:
        own = type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if own is None:  # a type of graphql-core's, such as __Schema
            return None
        selected, deferred, _ = self.collect_subfields(type, fields)
        reads: list[tuple[str, str, Read]] = []
        for key, found in selected.items():
            name = found[0].node.name.value
            plain = _typename(type) if name == "__typename" else self._plain.get((type.name, name))
            read = None if plain is None else plain.read or self._read(plain.type, found)
            if plain is None or read is None:
                return None
            reads.append((key, plain.attribute, read))
        return None if deferred else _attributes(own.origin, reads)


# Of one type each; UnlikeError and whatever else they raise is told by graphql-core ---------------


def _leaf(type: GraphQLLeafType) -> Read:
    coerced = type.coerce_output_value

    def read(value: Any) -> Any:
        if value is None:
            return None
        answer = coerced(value)
        if answer is None or answer is Undefined:
            raise UnlikeError
        return answer

    return read


def _not_null(of: Read) -> Read:
    def read(value: Any) -> Any:
        if value is None:
            raise UnlikeError
        return of(value)

    return read


def _each(of: Read) -> Read:
    def read(values: Any) -> Any:
        if values is None:
            return None
        if not isinstance(values, list | tuple):
            raise UnlikeError
        return [of(value) for value in values]

    return read


def _of_one(reads: Mapping[str, Read | None]) -> Read | None:
    """Several fields, all read from the same value."""
    known = [(name, read) for name, read in reads.items() if read is not None]
    if len(known) < len(reads):
        return None
    return lambda value: {name: read(value) for name, read in known}


def _attributes(origin: type, reads: list[tuple[str, str, Read]]) -> Read:
    def read(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not origin:
            raise UnlikeError
        return {key: read(getattr(value, attribute)) for key, attribute, read in reads}

    return read


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
    if not isinstance(own, StrawberryField) or not own.is_basic_field or field.args:
        return None
    if own.default_resolver is not getattr:
        return None
    return Plain(own.python_name, field.type, _of_leaf(field.type))


def _typename(type: GraphQLObjectType) -> Plain:
    return Plain("__class__", GraphQLString, lambda _: type.name)


def _of_leaf(type: GraphQLOutputType) -> Read | None:
    if is_leaf_type(type):
        return _leaf(type)
    return (
        _not_null(_leaf(type.of_type))
        if is_non_null_type(type) and is_leaf_type(type.of_type)
        else None
    )
