"""Answers a part of a document from the cache, or computes and caches it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, OperationType
from graphql.execution.values import get_argument_values

from domain import epoch, periods
from resolvers.summaries import revisions
from schema.engine.fragments import cache, parts

Compute = Callable[[], Any]
ReadLive = Callable[[tuple[str, str], Any], Any]


class Reading:
    """The cached parts of one execution."""

    def __init__(self, execution: Any, read_plain: ReadLive) -> None:
        """`read_plain` reads a plain field, by type and name, of an object."""
        self._execution = execution
        self._read_plain = read_plain
        self._context = execution.context_value
        self._parts: dict[Any, parts.Part | None] = self._context.parts
        self._cache: cache.Cache = self._context.services.fragments
        self._hour = epoch.to_microseconds(epoch.floor(self._context.now, periods.HOUR))
        visible = self._context.caller.without_identity()
        self._visible_to = (visible, self._context.language)

    @classmethod
    def of(cls, execution: Any, read_plain: ReadLive) -> "Reading | None":
        """None if nothing of this execution is cached."""
        context = execution.context_value
        if getattr(context, "parts", None) is None or context.services.fragments is None:
            return None
        if context.caller is None or execution.operation.operation is not OperationType.QUERY:
            return None
        return cls(execution, read_plain)

    def part(
        self, schema: GraphQLSchema, type: GraphQLObjectType, fields: Sequence[Any]
    ) -> parts.Part | None:
        """The part that these details of a declared field select; None if it is not cached."""
        nodes = [details.node for details in fields]
        place = (type.name, *map(id, nodes))  # the parsed document keeps the nodes alive
        if place not in self._parts:
            declared = parts.stored_fields(schema)[type.name, nodes[0].name.value]
            fragments = self._execution.fragment_definitions
            self._parts[place] = parts.compile(schema, declared, type, nodes, fragments)
        return self._parts[place]

    async def answer(
        self, part: parts.Part, field: Any, source: Any, node: Any, path: Any, compute: Compute
    ) -> Any:
        """The part's JSON, or its value if it is not cached. `compute` executes the field."""
        execution, context = self._execution, self._context
        arguments = get_argument_values(field, node, execution.variable_values)
        scope = part.declared.scope(source, context.caller, arguments)
        if scope is None:
            return await _settled(compute)
        state = await context.loader(revisions.of).load(scope)
        key, revision = self._key(part, scope), (self._hour, *state.of(part.declared.sources))
        await self._cache.wait(key, revision)
        fragment = self._cache.get(key, revision)
        if fragment is not None:
            return fragment.fill(self._live(part, state), context.now)
        end = self._cache.begin(key, revision)
        try:
            value = await _settled(compute)
            if value is not None and not self._has_errors(path):
                fragment = await cache.make(value, part.live)
                self._cache.put(key, revision, fragment)
                return fragment.fill(
                    {name: value[name] for name in part.live if name in value}, context.now
                )
            return value
        finally:
            end()

    def _key(self, part: parts.Part, scope: revisions.Scope) -> Hashable:
        values = self._execution.variable_values.coerced
        variables = [(name, values[name]) for name in part.variables if name in values]
        return part.digest, scope, self._visible_to, repr(variables)

    def _live(self, part: parts.Part, state: revisions.Revision) -> Mapping[str, Any]:
        if not part.live or part.declared.live is None:
            return {}
        shown = part.declared.live(state, self._context.now)
        return {name: self._read_plain(place, shown) for name, place in part.live.items()}

    def _has_errors(self, path: Any) -> bool:
        place = path.as_list()
        return any(
            error.path is not None and error.path[: len(place)] == place
            for error in self._execution.collected_errors.errors
        )


async def _settled(compute: Compute) -> Any:
    value = compute()
    return await value if hasattr(value, "__await__") else value
