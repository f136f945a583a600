"""Inputs of partial updates: an omitted field stays unchanged, null clears it."""

from collections.abc import Collection
from dataclasses import fields
from enum import Enum
from typing import Any

import strawberry

PARTIAL = "Omitted fields stay unchanged; null clears an optional field."


def values(input: Any, excluded: Collection[str]) -> dict[str, object]:
    """The values of the input's fields that were set, by name."""
    set_values = {field.name: getattr(input, field.name) for field in fields(input)}
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in set_values.items()
        if name not in excluded and value is not strawberry.UNSET
    }


def optional(description: str) -> Any:
    """A field of such an input."""
    return strawberry.field(default=strawberry.UNSET, description=description)
