"""Who is asking."""

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
    BILLING_READ = "BILLING_READ"
    BILLING_WRITE = "BILLING_WRITE"


@dataclass(frozen=True, slots=True)
class Client:
    """What a request came from: its IP address, and what it says it is; None where unknown."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in person or program. `customer_id` is None for one who sees the whole account.

    `id` is None for nobody in particular; `zone` is the IANA zone and `language` the BCP 47 tag of
    what a person is shown. `address` is where the request came from; `staff_id` is who signed in as
    this contact, None where it did itself; `role` is that of staff, then too. `networks` are those
    a contact is let in from, none: everywhere.
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
        return f"{self.kind.lower()}:{self.person}"

    @property
    def person(self) -> int:
        """`id`, for what concerns this person or program alone.

        PERSONAL to nobody in particular: what many are told at once must not depend on who each
        of them is.
        """
        if self.id is None:
            raise refusals.Refusal(
                "PERSONAL", "This differs from person to person; ask for it in a query."
            )
        return self.id

    def at(self, address: str | None) -> "Caller":
        """The same one, sending from there."""
        return self if address == self.address else replace(self, address=address)

    def unnamed(self) -> "Caller":
        """All that decides what is shown, without who looks: equal for those who see the same."""
        return replace(self, id=None, session_id=None, address=None, staff_id=None, networks=())
