"""What the references in an event stand for: customers, carriers, switches, rate cards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from domain import calls, rating, refusals

AHEAD = timedelta(minutes=5)  # how far a switch's clock may be ahead of the receiver's


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    currency: str


@dataclass(frozen=True, slots=True)
class Switch:
    """`zone`: of its stamps that name none; None: those are refused."""

    zone: ZoneInfo | None
    lease_seconds: int


CardInForce: TypeAlias = Callable[[int, datetime], rating.Card | None]


@dataclass(frozen=True, slots=True)
class Known:
    """What references stand for, and the times (`oldest` to `latest`) that are believed.

    `oldest` None: setups as old as wanted (an import).
    """

    customers: Mapping[str, Customer]
    rates_versions: Mapping[int, int]  # by customer; it increases with every change of its rates
    carriers: Mapping[str, int]
    switches: Mapping[str, Switch]
    card_in_force: CardInForce
    latest: datetime
    oldest: datetime | None

    def customer(self, reference: str) -> Customer:
        found = self.customers.get(reference)
        if found is None:
            raise refusals.Refusal(
                "UNKNOWN_CUSTOMER",
                "No customer has the reference {reference!r}; create it, then send this again.",
                "customer",
                reference=reference,
            )
        return found

    def carrier(self, reference: str | None) -> int:
        if not reference:
            return calls.NO_CARRIER
        found = self.carriers.get(reference)
        if found is None:
            raise refusals.Refusal(
                "UNKNOWN_CARRIER",
                "No carrier has the reference {reference!r}; create it, then send this again.",
                "carrier",
                reference=reference,
            )
        return found

    def timely(self, at: datetime, field: str) -> None:
        if at > self.latest:
            raise refusals.Refusal(
                "TIME_AHEAD",
                "{name} is more than 5 minutes ahead of this server's clock; check the switch's.",
                field,
                name=field,
            )
        if self.oldest is not None and at < self.oldest:
            raise refusals.Refusal(
                "TOO_OLD",
                "{name} is older than call records are kept (CALLBOARD_RECORDS_DAYS).",
                field,
                name=field,
            )
