"""Callers: the person or program that sends a request."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from domain import refusals


class Kind(StrEnum):
    STAFF = "STAFF"
    CONTACT = "CONTACT"
    KEY = "KEY"


class Role(StrEnum):
    OWNER = "OWNER"
    SUPPORT = "SUPPORT"
    FINANCE = "FINANCE"


class Scope(StrEnum):
    INGEST = "INGEST"
    LIVE_READ = "LIVE_READ"
    STATS_READ = "STATS_READ"
    BILLING_READ = "BILLING_READ"
    BILLING_WRITE = "BILLING_WRITE"


@dataclass(frozen=True, slots=True)
class Client:
    """The origin of a request: its IP address and user agent; None if unknown."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person or program.

    `customer_id` is None if the caller sees the whole account. `id` is None without an identity.
    `zone` (IANA) and `language` (BCP 47) are those of the person's display. `address` is the IP
    address of the request. `staff_id` is the staff member who signed in as this contact, and `role`
    is then that member's; None if the contact signed in. `networks` are those that a contact may
    sign in from; empty if all are allowed. `sees_carriers` is False for a caller of one customer if
    the account hides the names of its carriers.
    """

    account_id: int
    kind: Kind
    id: int | None
    role: Role | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    customer_id: int | None = None
    session_id: int | None = None
    zone: str = "UTC"
    sees_carriers: bool = True
    language: str = "en"
    address: str | None = None
    staff_id: int | None = None
    networks: tuple[str, ...] = ()

    @property
    def actor(self) -> str:
        return f"{self.kind.lower()}:{self.person_id}"

    @property
    def person_id(self) -> int:
        """`id`, for data of only this person or program.

        Refuses PERSONAL to a caller without an identity: messages that several callers receive must
        not depend on one of them.
        """
        if self.id is None:
            raise refusals.Refusal(
                "PERSONAL",
                "This value depends on the caller and cannot be subscribed to. Request it in a"
                " query.",
            )
        return self.id

    def with_address(self, address: str | None) -> "Caller":
        """The same caller, with this IP address."""
        return self if address == self.address else replace(self, address=address)

    def without_identity(self) -> "Caller":
        """The caller without its identity: equal for callers who see the same data."""
        return replace(self, id=None, session_id=None, address=None, staff_id=None, networks=())
