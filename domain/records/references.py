"""The references of events, resolved: customers, carriers, switches, rate cards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from domain import refusals
from domain.billing import rating
from domain.records import calls, destinations

MAX_CLOCK_LEAD = timedelta(minutes=5)  # of a switch's clock against this server's


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    currency: str


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch's settings. `zone` applies to timestamps without an offset (None: refused)."""

    zone: ZoneInfo | None
    lease_seconds: int
    numbering: destinations.Numbering = destinations.INTERNATIONAL


CardInForce: TypeAlias = Callable[[int, datetime], rating.Card | None]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Resolved references, and the accepted times (`oldest` to `latest`).

    `oldest` None: setups of any age are accepted. `customer` and `carrier_id` refuse an unknown
    reference.
    """

    customers: Mapping[str, Customer]
    rates_versions: Mapping[int, int]  # by customer; increases with every change of its rates
    carriers: Mapping[str, int]
    switches: Mapping[str, Switch]
    card_in_force: CardInForce
    latest: datetime
    oldest: datetime | None

    @property
    def now(self) -> datetime:
        """The time by the clock of this server."""
        return self.latest - MAX_CLOCK_LEAD

    def customer(self, reference: str) -> Customer:
        customer = self.customers.get(reference)
        if customer is None:
            raise refusals.Refusal(
                "UNKNOWN_CUSTOMER",
                "No customer has the reference {reference!r}. Create the customer, then send this"
                " again.",
                "customer",
                reference=reference,
            )
        return customer

    def carrier_id(self, reference: str | None) -> int:
        if not reference:
            return calls.NO_CARRIER
        carrier_id = self.carriers.get(reference)
        if carrier_id is None:
            raise refusals.Refusal(
                "UNKNOWN_CARRIER",
                "No carrier has the reference {reference!r}. Create the carrier, then send this"
                " again.",
                "carrier",
                reference=reference,
            )
        return carrier_id

    def require_timely(self, at: datetime, field: str) -> None:
        """Refuses TIME_AHEAD and TOO_OLD with the field."""
        if at > self.latest:
            raise refusals.Refusal(
                "TIME_AHEAD",
                "{name} is more than 5 minutes ahead of this server's clock. Check the switch's"
                " clock.",
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
