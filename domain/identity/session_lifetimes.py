"""Lifetimes of sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.identity import callers

RETENTION = timedelta(days=180)  # after the end: earlier addresses of a login are trusted
AS_CONTACT_LIFETIME = timedelta(hours=1)  # if staff signed in as a contact


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A session ends at `ends_at`, or at `expires_at` if it is not used before that."""

    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """`idle`: the lifetime without use. `contact`, `staff`: the maximum lifetime."""

    idle: timedelta = timedelta(days=14)
    contact: timedelta = timedelta(days=90)
    staff: timedelta = timedelta(days=14)

    def of(self, kind: callers.Kind, now: datetime) -> Lifetime:
        return self._span(self.staff if kind is callers.Kind.STAFF else self.contact, now)

    def as_contact(self, now: datetime) -> Lifetime:
        return self._span(AS_CONTACT_LIFETIME, now)

    def _span(self, maximum: timedelta, now: datetime) -> Lifetime:
        return Lifetime(now + min(self.idle, maximum), now + maximum)
