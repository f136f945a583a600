"""Readers: functions that complete a value as graphql-core does, without a call for each field.

If one raises FallbackError or another exception, graphql-core completes the value and reports it.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from graphql import (
    GraphQLLeafType,
    GraphQLOutputType,
    Undefined,
    is_leaf_type,
    is_non_null_type,
)

from schema.engine.fragments.declarations import TimedFloat

Reader: TypeAlias = Callable[[Any], Any]

_MAX_DIRECT_ITEMS = 1_000  # longer lists are completed in slices


class FallbackError(Exception):
    """A value that is left to graphql-core, because it does not match its type or is too long."""


def leaf(type: GraphQLLeafType) -> Reader:
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


def non_null(of: Reader) -> Reader:
    def read(value: Any) -> Any:
        if value is None:
            raise FallbackError
        return of(value)

    return read


def items(of: Reader) -> Reader:
    def read(values: Any) -> Any:
        if values is None:
            return None
        if not isinstance(values, list | tuple) or len(values) > _MAX_DIRECT_ITEMS:
            raise FallbackError
        return [of(value) for value in values]

    return read


def root(readers: Mapping[str, Reader | None]) -> Reader | None:
    """The reader of several fields from the same value. None if one has no reader."""
    present = [(name, read) for name, read in readers.items() if read is not None]
    if len(present) < len(readers):
        return None
    return lambda value: {name: read(value) for name, read in present}


def attributes(classes: Collection[type], fields: list[tuple[str, str | None, Reader]]) -> Reader:
    """Reads an object: each field from an attribute, or (None) from the object itself."""

    def read(value: Any) -> Any:
        if value is None:
            return None
        if type(value) not in classes:
            raise FallbackError
        return {
            key: read(value if attribute is None else getattr(value, attribute))
            for key, attribute, read in fields
        }

    return read


def nothing(_: Any) -> None:
    return None


def resolver(resolve: Callable[[Any], Any], of: Reader) -> Reader:
    def read(source: Any) -> Any:
        value = resolve(source)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise FallbackError
        return of(value)

    return read


def of_leaf(type: GraphQLOutputType) -> Reader | None:
    if is_leaf_type(type):
        return leaf(type)
    return (
        non_null(leaf(type.of_type))
        if is_non_null_type(type) and is_leaf_type(type.of_type)
        else None
    )
