"""Ids of the API: opaque and global, each names its kind and account."""

import strawberry

from domain import ids
from domain.ids import pack as pack
from domain.ids import unpack as unpack


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque and global; give it to `node(id:)`.")


def encode_id(kind: str, account_id: int, *parts: int | str) -> strawberry.ID:
    """An opaque global id. `kind` is the GraphQL type's name; no part may hold a `:`."""
    return strawberry.ID(ids.of(kind, account_id, *parts))


def split_id(global_id: str) -> tuple[str, int, tuple[str, ...]] | None:
    """(kind, account, parts) of an id, or None of anything that is none."""
    text = unpack(global_id)
    kind, _, rest = (text or "").partition(":")
    account, *parts = rest.split(":")
    if not kind or not parts or not account.isascii() or not account.isdigit():
        return None
    return kind, int(account), tuple(parts)


NOBODY = -1  # a number that nothing has


def parts_of(global_id: str, kind: str, account_id: int) -> tuple[str, ...]:
    """An id's parts; none of garbage, another kind, or another account's."""
    split = split_id(global_id)
    return split[2] if split is not None and split[:2] == (kind, account_id) else ()


def decode_id(global_id: str, kind: str, account_id: int) -> int:
    """The number that an id of `encode_id(kind, account_id, number)` stands for, else NOBODY.

    So what is another account's goes the way of what does not exist, and answers the same.
    """
    return single(parts_of(global_id, kind, account_id))


def person_id(global_id: str, account_id: int) -> tuple[str, int]:
    """`Staff` or, of whatever else, `Contact`; with the number of that one, else NOBODY."""
    split = split_id(global_id)
    kind = "Staff" if split is not None and split[0] == "Staff" else "Contact"
    return kind, decode_id(global_id, kind, account_id)


def single(parts: tuple[str, ...]) -> int:
    """The number of an id that has just one, else NOBODY."""
    number = as_number(parts[0]) if len(parts) == 1 else None
    return NOBODY if number is None else number


def as_number(text: str) -> int | None:
    """A non-negative 64-bit number in plain digits, else None."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if number < 2**63 else None
