"""Who is asking."""

from dataclasses import dataclass, field
from enum import StrEnum


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
class Caller:
    """A signed-in person or program. `customer_id` is None for one who sees the whole account."""

    account_id: int
    kind: Kind
    id: int
    role: Role | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    customer_id: int | None = None
    session_id: int | None = None

    @property
    def actor(self) -> str:
        return f"{self.kind.lower()}:{self.id}"
