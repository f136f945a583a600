"""Inputs of which only what is given is changed: absent is unchanged, null cleared."""

from collections.abc import Collection
from dataclasses import fields
from enum import Enum
from typing import Any

import strawberry

KEEPS = "What is left out stays as it is; null clears what can be empty."


def values(input: Any, leave_out: Collection[str]) -> dict[str, object]:
    """An input's values by the names of its fields, those alone that were given."""
    named = {one.name: getattr(input, one.name) for one in fields(input)}
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in named.items()
        if name not in leave_out and value is not strawberry.UNSET
    }


def optional(description: str) -> Any:
    """A field of such an input."""
    return strawberry.field(default=strawberry.UNSET, description=description)
