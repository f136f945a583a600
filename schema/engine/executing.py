"""Executes operations as Strawberry does, but reads plain values directly.

Most requested fields are plain attributes of an object that a resolver has returned. They are read
directly, and so are objects that have only such fields. For any unexpected value, execution falls
back to graphql-core, which reports the error.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

from schema.engine import slices
from schema.engine.fragments import parts, reading
from schema.engine.plans import fields as plan_fields
from schema.engine.plans import readers
from schema.engine.plans.readers import Reader


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
        self._plain_fields = (
            {} if self.middleware_manager else plan_fields.plain_fields(self.schema)
        )
        self._direct_fields = (
            {} if self.middleware_manager else plan_fields.direct_fields(self.schema)
        )
        self._types_with_lists = plan_fields.types_with_lists(self.schema)
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
            of_fields = {
                name: self._reader(root_type.fields[nodes[0].node.name.value].type, nodes)
                for name, nodes in selected.items()
                if nodes[0].node.name.value in root_type.fields
            }
            is_whole = len(of_fields) == len(selected)
            self._readers[key] = readers.root(of_fields) if is_whole else None
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
            return readers.leaf(type)
        if is_object_type(type):
            return self._object_reader(type, fields)
        if not (is_non_null_type(type) or is_list_type(type)):
            return None
        of = self._reader(type.of_type, fields)
        if of is None:
            return None
        return readers.non_null(of) if is_non_null_type(type) else readers.items(of)

    def _object_reader(self, type: GraphQLObjectType, fields: Any) -> Reader | None:
        declared = type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if declared is None:  # a type of graphql-core, such as __Schema
            return None
        selected, deferred, _ = self.collect_subfields(type, fields)
        of_fields: list[tuple[str, str | None, Reader]] = []
        for key, nodes in selected.items():
            of_field = self._field_reader(type, nodes)
            if of_field is None:
                return None
            of_fields.append((key, *of_field))
        return None if deferred else readers.attributes(plan_fields.classes(declared), of_fields)

    def _field_reader(
        self, type: GraphQLObjectType, nodes: Any
    ) -> tuple[str | None, Reader] | None:
        """The attribute (None: the object itself) and its reader; None if there is none."""
        name = nodes[0].node.name.value
        plain = self._plain_fields.get((type.name, name))
        if name == "__typename":
            plain = plan_fields.typename(type)
        if plain is None:
            resolving = self._resolving_reader(type, name, nodes)
            return None if resolving is None else (None, resolving)
        read = plain.reader or self._reader(plain.type, nodes)
        return None if read is None else (plain.attribute, read)

    def _resolving_reader(self, type: GraphQLObjectType, name: str, nodes: Any) -> Reader | None:
        """The reader of a field with a synchronous resolver. The permission is decided here, once
        for all objects of the execution; if it is refused, graphql-core reports that."""
        field = self._direct_fields.get((type.name, name))
        if field is None or (of := self._reader(field.type, nodes)) is None:
            return None
        try:
            is_met = field.requirement is None or field.requirement.is_met(self.context_value)
        except Exception:
            return None
        return readers.resolver(field.resolve, of) if is_met else readers.nothing
