"""Adds a field to a type of another module, as GraphQL's `extend type` does.

For types that refer to each other: a customer has SIP users, and a SIP user has a customer. The
module of one type imports the other and extends it, which avoids a circular import.
"""

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.types import get_object_definition


def extend(extended: type, name: str, resolver: Callable[..., Any], description: str) -> None:
    """Appends a field. Call before the schema is created."""
    add(extended, name, strawberry.field(resolver=resolver, description=description))


def add(extended: type, name: str, field: Any) -> None:
    """Appends a declared field with its resolver. Call before the schema is created."""
    definition = get_object_definition(extended, strict=True)
    assert all(known.python_name != name for known in definition.fields), name
    field.python_name = name
    field.origin = extended
    definition.fields.append(field)
