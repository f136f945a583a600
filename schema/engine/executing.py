"""Executes operations as Strawberry does, but reads plain values directly.

Most requested fields are plain attributes of an object that a resolver has returned. They are read
directly, and so are objects that have only such fields. For any unexpected value, execution falls
back to graphql-core, which reports the error.
"""

import inspect
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
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from schema.engine import slices
from schema.engine.fragments import parts, reading
from schema.engine.fragments.declarations import TimedFloat

Reader: TypeAlias = Callable[[Any], Any]


_MAX_DIRECT_ITEMS = 1_000  # longer lists are completed in slices


class FallbackError(Exception):
    """A value that is left to graphql-core, because it does not match its type or is too long."""


@dataclass(frozen=True, slots=True)
class PlainField:
    """A field without a resolver or arguments: its value is an attribute."""

    attribute: str
    type: GraphQLOutputType
    reader: Reader | None  # None unless it is a scalar or an enum


@dataclass(frozen=True, slots=True)
class _EventExecutor:
    """Replaces the executor of an event of a subscription: reads the whole event directly."""

    value: Any
    read: Reader
    create_executor: Callable[[Any], Any]  # for the fallback

    def execute_operation(self, serially: bool | None = None) -> Any:
        try:
            return ExecutionResult(self.read(self.value), None)
        except Exception:  # reported by graphql-core
            return self.create_executor(self.value).execute_operation(serially)


class Execution(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.middleware_manager and not self.middleware_manager.middlewares:
            self.middleware_manager = None  # otherwise it would be called for every field
        self._plain_fields = {} if self.middleware_manager else plain_fields(self.schema)
        self._types_with_lists = types_with_lists(self.schema)
        self._stored_fields = parts.stored_fields(self.schema)
        self._reading = reading.Reading.of(self, self._read_plain)
        # Shared by all events of a stream, each of which has a shallow copy of this object.
        self._selected: dict[GraphQLObjectType, Any] = {}
        self._readers: dict[tuple[GraphQLOutputType, int], Reader | None] = {}

    def build_per_event_executor(self, payload: Any) -> Any:
        """The executor of an event. From the second event on, plain events are read directly."""
        read = self._event_reader() if self._selected else None
        create = super().build_per_event_executor
        return create(payload) if read is None else _EventExecutor(payload, read, create)

    def execute_collected_root_fields(
        self, root_type: GraphQLObjectType, root: Any, fields: Any, serially: bool, deferred: Any
    ) -> Any:
        """Executes the fields that were collected for the first event of the stream.

        They are equal for all events. graphql-core would collect them again and cache their
        subfields by identity, so a subscription would use more memory with every event.
        """
        fields = self._selected.setdefault(root_type, fields)
        return super().execute_collected_root_fields(root_type, root, fields, serially, deferred)

    def _event_reader(self) -> Reader | None:
        """The reader of a whole event, which is the value of each root field. None if not plain."""
        ((root_type, selected),) = self._selected.items()
        key = (root_type, id(selected))
        if key not in self._readers:
            readers = {
                name: self._reader(root_type.fields[nodes[0].node.name.value].type, nodes)
                for name, nodes in selected.items()
                if nodes[0].node.name.value in root_type.fields
            }
            self._readers[key] = _root_reader(readers) if len(readers) == len(selected) else None
        return self._readers[key]

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, fields: Any, path: Any, context: Any
    ) -> Any:
        name = fields[0].node.name.value
        place = parent_type.name, name
        plain = self._plain_fields.get(place)
        try:
            if plain is not None and plain.reader is not None:
                return plain.reader(getattr(source, plain.attribute))
        except Exception:  # reported by graphql-core below
            pass
        if self._reading is not None and place in self._stored_fields:
            part = self._reading.part(self.schema, parent_type, fields)
            if part is not None:
                return self._answer_part(part, parent_type, source, fields, path, context)
        return super().execute_field(parent_type, source, fields, path, context)

    async def _answer_part(
        self,
        part: parts.Part,
        type: GraphQLObjectType,
        source: Any,
        fields: Any,
        path: Any,
        context: Any,
    ) -> Any:
        node, compute = fields[0].node, super().execute_field
        field = type.fields[node.name.value]
        failed: list[Exception] = []

        async def execute() -> Any:
            try:
                value = compute(type, source, fields, path, context)
                return await value if self.is_awaitable(value) else value
            except Exception as error:  # of a field that cannot be null; located already
                failed.append(error)
                raise

        assert self._reading is not None
        try:
            return await self._reading.answer(part, field, source, node, path, execute)
        except Exception as error:
            if error in failed:
                raise
            self.handle_field_error(error, field.type, fields, path)
            return None

    def _read_plain(self, place: tuple[str, str], source: Any) -> Any:
        plain = self._plain_fields[place]
        value = getattr(source, plain.attribute)
        return value if plain.reader is None else plain.reader(value)

    def complete_list_value(
        self,
        return_type: Any,
        fields: Any,
        info: Any,
        path: Any,
        result: Any,
        ctx: Any,
    ) -> Any:
        """Completes long lists of objects in slices, so that they do not block the event loop."""
        item_type = return_type.of_type
        is_generator = inspect.isasyncgen(result)
        if (
            not (is_generator or self._is_long(item_type, result))
            or self.get_stream_usage(fields, path) is not None
        ):
            return super().complete_list_value(return_type, fields, info, path, result, ctx)

        def start_item(item: Any, index: int, completed: list[Any]) -> bool:
            place = path.add_key(index, None)
            return self.complete_list_item_value(
                item, completed, item_type, fields, info, place, ctx
            )

        if is_generator:
            return slices.complete_one_by_one(result, start_item)
        return slices.complete(
            result, start_item, self.gather_async_work, self.settle_in_background
        )

    def _is_long(self, item_type: GraphQLOutputType, items: Any) -> bool:
        """Also true for a short list of objects that contain lists of objects."""
        if not isinstance(items, list) or is_leaf_type(get_named_type(item_type)):
            return False
        has_lists = get_named_type(item_type).name in self._types_with_lists
        return len(items) > (1 if has_lists else slices.BATCH_SIZE)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        fields: Any,
        info: Any,
        path: Any,
        result: Any,
        ctx: Any,
    ) -> Any:
        read = self._reader(return_type, fields)
        if read is not None:
            try:
                return read(result)
            except Exception:  # reported by graphql-core below
                pass
        return super().complete_object_value(return_type, fields, info, path, result, ctx)

    def _reader(self, type: GraphQLOutputType, fields: Any) -> Reader | None:
        """The reader of a value of the type. None unless all selected fields are plain."""
        key = (type, id(fields))  # `_selected` or `collect_subfields` keeps the fields alive
        if key not in self._readers:
            self._readers[key] = self._make_reader(type, fields)
        return self._readers[key]

    def _make_reader(self, type: GraphQLOutputType, fields: Any) -> Reader | None:
        if is_leaf_type(type):
            return _leaf_reader(type)
        if is_object_type(type):
            return self._object_reader(type, fields)
        if not (is_non_null_type(type) or is_list_type(type)):
            return None
        of = self._reader(type.of_type, fields)
        if of is None:
            return None
        return _non_null_reader(of) if is_non_null_type(type) else _list_reader(of)

    def _object_reader(self, type: GraphQLObjectType, fields: Any) -> Reader | None:
        declared = type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if declared is None:  # a type of graphql-core, such as __Schema
            return None
        selected, deferred, _ = self.collect_subfields(type, fields)
        readers: list[tuple[str, str, Reader]] = []
        for key, nodes in selected.items():
            name = nodes[0].node.name.value
            is_typename = name == "__typename"
            plain = _typename(type) if is_typename else self._plain_fields.get((type.name, name))
            read = None if plain is None else plain.reader or self._reader(plain.type, nodes)
            if plain is None or read is None:
                return None
            readers.append((key, plain.attribute, read))
        return None if deferred else _attributes_reader(declared.origin, readers)


# Readers. If one raises FallbackError or another exception, graphql-core completes the value ----


def _leaf_reader(type: GraphQLLeafType) -> Reader:
    coerced, is_float = type.coerce_output_value, type.name == "Float"

    def read(value: Any) -> Any:
        if value is None:
            return None
        if is_float and isinstance(value, TimedFloat):  # coerced, it would lose its function
            return value
        answer = coerced(value)
        if answer is None or answer is Undefined:
            raise FallbackError
        return answer

    return read


def _non_null_reader(of: Reader) -> Reader:
    def read(value: Any) -> Any:
        if value is None:
            raise FallbackError
        return of(value)

    return read


def _list_reader(of: Reader) -> Reader:
    def read(values: Any) -> Any:
        if values is None:
            return None
        if not isinstance(values, list | tuple) or len(values) > _MAX_DIRECT_ITEMS:
            raise FallbackError
        return [of(value) for value in values]

    return read


def _root_reader(readers: Mapping[str, Reader | None]) -> Reader | None:
    """The reader of several fields from the same value. None if one has no reader."""
    present = [(name, read) for name, read in readers.items() if read is not None]
    if len(present) < len(readers):
        return None
    return lambda value: {name: read(value) for name, read in present}


def _attributes_reader(origin: type, readers: list[tuple[str, str, Reader]]) -> Reader:
    def read(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not origin:
            raise FallbackError
        return {key: read(getattr(value, attribute)) for key, attribute, read in readers}

    return read


@cache
def types_with_lists(schema: GraphQLSchema) -> frozenset[str]:
    """The names of types that have a list of objects among their plain fields."""
    return frozenset(
        type
        for (type, _), plain in plain_fields(schema).items()
        if is_list_type(get_nullable_type(plain.type)) and plain.reader is None
    )


@cache
def plain_fields(schema: GraphQLSchema) -> Mapping[tuple[str, str], PlainField]:
    """The plain fields of a schema by the names of their type and field."""
    return {
        (type.name, name): plain
        for type in schema.type_map.values()
        if isinstance(type, GraphQLObjectType)
        for name, field in type.fields.items()
        if (plain := _plain_field(field)) is not None
    }


def _plain_field(field: Any) -> PlainField | None:
    declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(declared, StrawberryField) or not declared.is_basic_field or field.args:
        return None
    if declared.default_resolver is not getattr:
        return None
    return PlainField(declared.python_name, field.type, _reader_of_leaf(field.type))


def _typename(type: GraphQLObjectType) -> PlainField:
    return PlainField("__class__", GraphQLString, lambda _: type.name)


def _reader_of_leaf(type: GraphQLOutputType) -> Reader | None:
    if is_leaf_type(type):
        return _leaf_reader(type)
    return (
        _non_null_reader(_leaf_reader(type.of_type))
        if is_non_null_type(type) and is_leaf_type(type.of_type)
        else None
    )
