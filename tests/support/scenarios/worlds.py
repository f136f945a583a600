"""The account of the random months: customers, carriers, cards and their prices."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
BILLED = ("acme", "birch", "cedar", "dune")  # ember has calls without a rate


@dataclass(frozen=True, slots=True)
class Rate:
    prefix: str
    per_minute: Decimal
    connect_fee: Decimal
    minimum: int
    increment: int
    round_up: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """Rates from an instant on, and prefixes that have none from then on."""

    effective_from: datetime
    rates: tuple[Rate, ...]
    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """`revisions` in the order of their creation, which is not that of their instants."""

    name: str
    currency: str
    rounding: str
    places: int
    revisions: tuple[Revision, ...]


@dataclass(frozen=True, slots=True)
class Customer:
    """`cards`: (in force from, name). `by_switch`: share of its calls rated by the switch."""

    reference: str
    currency: str
    minor_unit: int
    tax_percent: Decimal
    cards: tuple[tuple[datetime, str], ...]
    by_switch: float


@dataclass(frozen=True, slots=True)
class World:
    start: datetime
    now: datetime
    customers: tuple[Customer, ...]
    carriers: tuple[tuple[str, str], ...]  # reference, currency
    cards: tuple[Card, ...]


def world(now: datetime) -> World:
    """From the first day of the month before the last one (UTC) until `now`."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = (month - timedelta(days=1)).replace(day=1)
    start = (start - timedelta(days=1)).replace(day=1)
    change = start + timedelta(days=38, hours=11, minutes=17)
    return World(
        start,
        now,
        (
            Customer("acme", "EUR", 2, Decimal("19"), ((start, "euro"), (change, "euro-2")), 0.0),
            Customer("birch", "USD", 2, Decimal("7.25"), ((start, "dollar"),), 0.3),
            Customer("cedar", "JPY", 0, Decimal("10"), ((start, "yen"),), 0.1),
            Customer("dune", "EUR", 2, Decimal("0"), (), 1.0),
            Customer("ember", "EUR", 2, Decimal("19"), ((start, "narrow"),), 0.0),
        ),
        (("carrier-a", "EUR"), ("carrier-b", "EUR"), ("carrier-c", "USD")),
        _cards(start, now),
    )


def edges(world: World) -> list[datetime]:
    """The instants at which prices change within the months."""
    instants = {revision.effective_from for card in world.cards for revision in card.revisions}
    return sorted(at for at in instants if world.start < at < world.now - timedelta(hours=2))


def _rate(prefix: str, per_minute: str, fee: str, steps: str, round_up: bool = True) -> Rate:
    minimum, increment = steps.split("/")
    price = Decimal(per_minute), Decimal(fee)
    return Rate(prefix, *price, int(minimum), int(increment), round_up)


def _cards(start: datetime, now: datetime) -> tuple[Card, ...]:
    def after(days: int, hours: int = 0, us: int = 0) -> datetime:
        return start + timedelta(days=days, hours=hours, microseconds=us)

    return (
        Card("euro", "EUR", "HALF_UP", 6, _euro(after)),
        Card("euro-2", "EUR", "HALF_EVEN", 4, _euro_2(after)),
        Card("dollar", "USD", "UP", 5, _dollar(after, now)),
        Card("yen", "JPY", "DOWN", 2, _yen(after)),
        Card("narrow", "EUR", "HALF_UP", 6, _narrow(after)),
    )


After = Callable[..., datetime]


def _euro(after: After) -> tuple[Revision, ...]:
    return (
        Revision(
            ALWAYS,
            (
                _rate("", "0.31", "0.02", "60/60"),
                _rate("44", "0.0137", "0", "1/1"),
                _rate("441632961", "0.0895", "0.01", "30/6"),
                _rate("4416329611", "0.0911", "0", "1/1", False),
                _rate("1555010", "0.0077", "0.0005", "6/6"),
            ),
        ),
        Revision(
            after(12, 6, 1_800_000_000),
            (_rate("", "0.33", "0.01", "60/30"), _rate("441632962", "0.0444", "0", "1/6")),
        ),
        # Created after the one above, in force before it.
        Revision(after(7), (_rate("44", "0.0151", "0.0002", "1/1"),)),
        Revision(after(25, 23, 3_599_999_999), (), ("4416329611", "1555010")),
    )


def _euro_2(after: After) -> tuple[Revision, ...]:
    return (
        Revision(
            ALWAYS,
            (
                _rate("", "0.29", "0", "60/60"),
                _rate("441632961", "0.0875", "0.0125", "45/30"),
                _rate("44163296", "0.01255", "0", "1/1", False),
            ),
        ),
        Revision(after(45, 15), (_rate("441632961", "0.0799", "0", "1/1"),), ("44163296",)),
        Revision(after(55, 6, 17), (_rate("44163296", "0.0345", "0.003", "6/6"),)),
    )


def _dollar(after: After, now: datetime) -> tuple[Revision, ...]:
    return (
        Revision(
            ALWAYS,
            (
                _rate("", "0.19", "0.001", "30/30"),
                _rate("1555010", "0.00615", "0", "6/6", False),
                _rate("44", "0.0213", "0.0033", "0/1"),
            ),
        ),
        # Two for one instant: the later one counts.
        Revision(after(10, 11, 5), (_rate("44", "0.5", "0", "1/1"),), ("1555010",)),
        Revision(after(10, 11, 5), (_rate("44", "0.0244", "0", "0/7"),)),
        Revision(after(40, 23), (_rate("1555010", "0.0071", "0", "1/1"),)),
        Revision(now + timedelta(days=30), (_rate("", "9.99", "9", "60/60"),), ("44",)),
    )


def _yen(after: After) -> tuple[Revision, ...]:
    return (
        Revision(
            ALWAYS, (_rate("", "13.7", "1", "30/6"), _rate("1555011", "9.05", "0", "1/1", False))
        ),
        Revision(after(20, 15), (_rate("", "14.2", "1.5", "30/6"), _rate("4", "8", "0", "1/1"))),
        Revision(after(48, 11), (), ("1555011", "4")),
    )


def _narrow(after: After) -> tuple[Revision, ...]:
    return (
        Revision(ALWAYS, (_rate("44", "0.02", "0", "60/60"),)),
        Revision(after(30, 6), (_rate("441", "0.025", "0", "1/1"),), ("44",)),
    )


def new_prices(now: datetime) -> dict[str, Revision]:
    """By card, of the time after the first month was billed."""
    return {
        "euro": Revision(now, (_rate("", "7", "7", "60/60"), _rate("44", "7", "7", "1/1"))),
        "euro-2": Revision(now, (_rate("", "5.5", "1", "60/60"),), ("441632961",)),
        "dollar": Revision(now, (_rate("44", "3", "2", "1/1"), _rate("1", "4", "1", "1/1"))),
        "yen": Revision(now, (_rate("", "99", "12", "60/60"), _rate("44163", "77", "0", "1/1"))),
    }


def missing_rate(start: datetime) -> Revision:
    """Of the numbers that the card "narrow" has no rate of."""
    return Revision(start, (_rate("1555", "0.045", "0.0015", "12/12"),))
