"""Declares on a field what its answer depends on, so that it can be cached.

A field that is declared with `stored` depends only on its arguments, the visibility of the caller,
the current UTC hour, and the named sources of its customer or account. So do all fields below it,
except:

- fields declared `live`: directly below it, they are computed for each answer;
- fields with a resolver whose type is not declared `stored_type`, and fields of objects with an id
  that are not: such a selection is not cached;
- fields declared `unstored`: such a selection is not cached;
- a float that depends on the time is a `TimedFloat`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from resolvers.summaries.revisions import Revision, Scope, Source

T = TypeVar("T")

# The scope that a field reads, from its source and arguments; None: it is not cached.
ReadScope: TypeAlias = Callable[[Any, Any, Mapping[str, Any]], Scope | None]
# An object with the attributes of the live fields, from the revision and the time of the request.
ReadLive: TypeAlias = Callable[[Revision, datetime], Any]

_STORED, _LIVE, _UNSTORED = "callboard.stored", "callboard.live", "callboard.unstored"


@dataclass(frozen=True, slots=True)
class Stored:
    sources: Sequence[Source]
    scope: ReadScope
    live: ReadLive | None


def _scope_of_source(source: Any, _: Any, __: Mapping[str, Any]) -> Scope:
    """Of a `base.Scoped`."""
    return source.account_id, source.customer_id


def stored(
    *sources: Source, scope: ReadScope = _scope_of_source, live: ReadLive | None = None
) -> Mapping[str, Stored]:
    """The declaration, as part of a field's `metadata`."""
    return {_STORED: Stored(sources, scope, live)}


def live() -> Mapping[str, bool]:
    """Declares that a plain field depends on the time, as part of its `metadata`."""
    return {_LIVE: True}


def unstored() -> Mapping[str, bool]:
    """Declares that a field of a `stored_type` depends on anything else, as part of its
    `metadata`."""
    return {_UNSTORED: True}


def stored_type(type: type[T]) -> type[T]:
    """Declares that all fields of the type depend only on what the field above them does. Does not
    hold for the fields of subclasses."""
    type.__fields_are_stored__ = type.__qualname__  # type: ignore[attr-defined]
    return type


def stored_plainly(type: type[T]) -> type[T]:
    """As `stored_type`, but only for the fields without a resolver."""
    type.__plain_fields_are_stored__ = type.__qualname__  # type: ignore[attr-defined]
    return type


def declaration_of(declared: Any) -> Stored | None:
    """The declaration of a Strawberry field; None if it has none."""
    found = getattr(declared, "metadata", {}).get(_STORED)
    return found if isinstance(found, Stored) else None


def is_live(declared: Any) -> bool:
    return _LIVE in getattr(declared, "metadata", {})


def is_unstored(declared: Any) -> bool:
    return _UNSTORED in getattr(declared, "metadata", {})


def is_stored_type(type: Any) -> bool:
    return "__fields_are_stored__" in vars(type)


def is_stored_plainly(type: Any) -> bool:
    return "__plain_fields_are_stored__" in vars(type)


class TimedFloat(float):
    """A float that depends on the time; `at` computes it for another time."""

    at: Callable[[datetime], float]

    @classmethod
    def of(cls, at: Callable[[datetime], float], now: datetime) -> "TimedFloat":
        value = cls(at(now))
        value.at = at
        return value
