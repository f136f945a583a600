"""The fields of a schema whose values need no coroutine: attributes and synchronous resolvers."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    get_nullable_type,
    is_list_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from schema.engine import permissions
from schema.engine.plans import readers


@dataclass(frozen=True, slots=True)
class PlainField:
    """A field without a resolver or arguments: its value is an attribute."""

    attribute: str
    type: GraphQLOutputType
    reader: readers.Reader | None  # None unless it is a scalar or an enum


class NotLoaded:
    """The value of a `preloaded` field whose object was read without it."""


NOT_LOADED = NotLoaded()
_PRELOADED = "callboard.preloaded"


def preloaded(attribute: str) -> Mapping[str, str]:
    """Declares, as part of a field's `metadata`, that its value is in an attribute of its object
    unless that is NOT_LOADED. Its resolver returns the same value."""
    return {_PRELOADED: attribute}


@dataclass(frozen=True, slots=True)
class DirectField:
    """A field without arguments that is preloaded, or whose synchronous resolver needs only its
    object. `requirement` is
    that of the caller, which is the same for all objects."""

    resolve: Callable[[Any], Any]
    type: GraphQLOutputType
    requirement: permissions.Requirement | None


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
    return PlainField(declared.python_name, field.type, readers.of_leaf(field.type))


@cache
def direct_fields(schema: GraphQLSchema) -> Mapping[tuple[str, str], DirectField]:
    """The direct fields of a schema by the names of their type and field."""
    return {
        (type.name, name): direct
        for type in schema.type_map.values()
        if isinstance(type, GraphQLObjectType)
        for name, field in type.fields.items()
        if (direct := _direct_field(field)) is not None
    }


def _direct_field(field: Any) -> DirectField | None:
    declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(declared, StrawberryField) or declared.base_resolver is None or field.args:
        return None
    resolve = _resolve(declared)
    checks = [each for each in declared.extensions if isinstance(each, permissions.Check)]
    requirement = permissions.requirement_of(declared)
    if (
        resolve is None
        or len(checks) < len(declared.extensions)
        or declared.permission_classes
        or (requirement is not None and requirement.when is not None)
    ):
        return None
    return DirectField(resolve, field.type, requirement)


def _resolve(declared: StrawberryField) -> Callable[[Any], Any] | None:
    attribute = declared.metadata.get(_PRELOADED)
    if attribute is not None:
        return _preloaded_resolver(str(attribute))
    assert declared.base_resolver is not None
    resolve: Any = declared.base_resolver.wrapped_func
    is_synchronous = inspect.isfunction(resolve) and not inspect.iscoroutinefunction(resolve)
    if not is_synchronous or list(inspect.signature(resolve).parameters) != ["self"]:
        return None
    return cast("Callable[[Any], Any]", resolve)


def _preloaded_resolver(attribute: str) -> Callable[[Any], Any]:
    def resolve(source: Any) -> Any:
        value = getattr(source, attribute)
        if value is NOT_LOADED:
            raise readers.FallbackError
        return value

    return resolve


def classes(definition: StrawberryObjectDefinition) -> tuple[type, ...]:
    """The classes of the objects of a type. Objects of a generic type, such as an edge, are of the
    class without its parameters."""
    generic = definition.concrete_of
    return (definition.origin,) if generic is None else (definition.origin, generic.origin)


def typename(type: GraphQLObjectType) -> PlainField:
    return PlainField("__class__", GraphQLString, lambda _: type.name)
