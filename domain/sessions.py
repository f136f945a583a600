"""How long a sign-in lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import callers

KEPT = timedelta(days=180)  # after its end: where a login has signed in before is its home
AS_CONTACT = timedelta(hours=1)  # of staff who signed in as a contact


@dataclass(frozen=True, slots=True)
class Span:
    """A session ends at `ends_at`, and at `expires_at` unless it is used before."""

    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Lengths:
    """`idle`: how long a session lasts without use; the others, how long it lasts at most."""

    idle: timedelta = timedelta(days=14)
    contact: timedelta = timedelta(days=90)
    staff: timedelta = timedelta(days=14)

    def of(self, kind: callers.Kind, now: datetime) -> Span:
        return self._span(self.staff if kind is callers.Kind.STAFF else self.contact, now)

    def as_contact(self, now: datetime) -> Span:
        return self._span(AS_CONTACT, now)

    def _span(self, longest: timedelta, now: datetime) -> Span:
        return Span(now + min(self.idle, longest), now + longest)
