"""The account that the random months happen to: customers, carriers, cards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

BILLED = ("acme", "birch", "cedar", "dune")  # ember has calls that nobody can rate


@dataclass(frozen=True, slots=True)
class Rate:
    prefix: str
    per_minute: Decimal
    connect_fee: Decimal
    minimum: int
    increment: int
    round_up: bool


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    currency: str
    rounding: str
    places: int
    rates: tuple[Rate, ...]


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
        _cards(),
    )


def _cards() -> tuple[Card, ...]:
    def rate(prefix: str, per_minute: str, fee: str, steps: str, round_up: bool = True) -> Rate:
        minimum, increment = steps.split("/")
        return Rate(
            prefix, Decimal(per_minute), Decimal(fee), int(minimum), int(increment), round_up
        )

    return (
        Card(
            "euro",
            "EUR",
            "HALF_UP",
            6,
            (
                rate("", "0.31", "0.02", "60/60"),
                rate("44", "0.0137", "0", "1/1"),
                rate("441632961", "0.0895", "0.01", "30/6"),
                rate("4416329611", "0.0911", "0", "1/1", False),
                rate("1555010", "0.0077", "0.0005", "6/6"),
            ),
        ),
        Card(
            "euro-2",
            "EUR",
            "HALF_EVEN",
            4,
            (
                rate("", "0.29", "0", "60/60"),
                rate("441632961", "0.0875", "0.0125", "45/30"),
                rate("44163296", "0.01255", "0", "1/1", False),
            ),
        ),
        Card(
            "dollar",
            "USD",
            "UP",
            5,
            (
                rate("", "0.19", "0.001", "30/30"),
                rate("1555010", "0.00615", "0", "6/6", False),
                rate("44", "0.0213", "0.0033", "0/1"),
            ),
        ),
        Card(
            "yen",
            "JPY",
            "DOWN",
            2,
            (rate("", "13.7", "1", "30/6"), rate("1555011", "9.05", "0", "1/1")),
        ),
        Card("narrow", "EUR", "HALF_UP", 6, (rate("44", "0.02", "0", "60/60"),)),
    )
