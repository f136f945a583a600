"""Ids of the API. They are opaque and global, and contain their kind and account."""

import strawberry

from domain import ids
from domain.ids import pack as pack
from domain.ids import unpack as unpack
from schema.engine import permissions


@permissions.open_type
@strawberry.interface(description="An object with a global id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque global id. Pass it to `node(id:)`.")


def encode_id(kind: str, account_id: int, *parts: int | str) -> strawberry.ID:
    """An opaque global id. `kind` is the GraphQL type's name; no part may contain a `:`."""
    return strawberry.ID(ids.of(kind, account_id, *parts))


def split_id(global_id: str) -> tuple[str, int, tuple[str, ...]] | None:
    """(kind, account, parts) of an id; None if it is invalid."""
    text = unpack(global_id)
    kind, _, rest = (text or "").partition(":")
    account, *parts = rest.split(":")
    account_id = as_number(account)
    if not kind or not parts or account_id is None:
        return None
    return kind, account_id, tuple(parts)


UNKNOWN_ID = -1  # no row has this id


def parts_of(global_id: str, kind: str, account_id: int) -> tuple[str, ...]:
    """An id's parts; empty if it is invalid, or of another kind or account."""
    split = split_id(global_id)
    return split[2] if split is not None and split[:2] == (kind, account_id) else ()


def decode_id(global_id: str, kind: str, account_id: int) -> int:
    """The number in an id of `encode_id(kind, account_id, number)`, otherwise UNKNOWN_ID.

    So an id of another account is handled like one that does not exist.
    """
    return single(parts_of(global_id, kind, account_id))


def decode_optional_id(global_id: str | None, kind: str, account_id: int) -> int | None:
    return None if global_id is None else decode_id(global_id, kind, account_id)


def person_id(global_id: str, account_id: int) -> tuple[str, int]:
    """The kind (`Staff`, or `Contact` for any other id) and the number, otherwise UNKNOWN_ID."""
    split = split_id(global_id)
    kind = "Staff" if split is not None and split[0] == "Staff" else "Contact"
    return kind, decode_id(global_id, kind, account_id)


def single(parts: tuple[str, ...]) -> int:
    """The number of an id with exactly one part, otherwise UNKNOWN_ID."""
    number = as_number(parts[0]) if len(parts) == 1 else None
    return UNKNOWN_ID if number is None else number


def as_number(text: str) -> int | None:
    """A non-negative 64-bit number as `str` writes it, otherwise None."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if number < 2**63 and str(number) == text else None
