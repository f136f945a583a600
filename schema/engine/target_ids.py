"""The id of the object that a mutation acts on, and the deprecated name of that input field."""

from typing import Any

import strawberry

from domain import refusals
from schema.engine import ids

REMOVAL_DATE = "2027-07-01"  # the date from which deprecated names may be removed


def id_field(description: str) -> Any:
    """The `id` of such an input. Required, but not NonNull while the deprecated name exists."""
    return strawberry.field(
        default=None, description=f"{description} Required, unless the deprecated name is set."
    )


def deprecated_id(description: str) -> Any:
    """The field that `id` replaces."""
    return strawberry.field(
        default=None,
        description=description,
        deprecation_reason=f"Use `id`. This name is removed after {REMOVAL_DATE}.",
    )


def required(id: str | None, deprecated: str | None) -> strawberry.ID:
    """The id by either name. Refuses INVALID if neither is set or the two differ."""
    if id is not None and deprecated is not None and id != deprecated:
        raise refusals.Refusal(
            "INVALID", "The `id` and its deprecated name differ. Set only `id`.", "id"
        )
    value = deprecated if id is None else id
    if value is None:
        raise refusals.Refusal("INVALID", "Set `id`: the object to act on.", "id")
    return strawberry.ID(value)


def number(id: str | None, deprecated: str | None, kind: str, account_id: int) -> int:
    """The number that the id stands for, as `ids.decode_id`."""
    return ids.decode_id(required(id, deprecated), kind, account_id)
