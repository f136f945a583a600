"""Graphs as a caller may see them, in its time zone: a contact's own, else UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain import callers, calls, refusals, stats
from domain.periods import Period
from models import carriers
from models import stats as stored
from resolvers import access
from resolvers.access import Capability

MAX_CARRIER_POINTS = 50_000


@dataclass(frozen=True, slots=True)
class Point:
    bucket: Period
    sums: stats.Sums
    shows_legs: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """`sums` by (bucket, carrier); `carriers` in the order asked for, else by their number.

    `chosen`: the carriers asked for, None for all. `shows_legs`: to whom routing is no secret.
    """

    account_id: int
    customer_id: int | None
    chosen: Sequence[int] | None
    shows_legs: bool
    zone: str
    buckets: list[Period]
    carriers: list[int]
    sums: dict[tuple[int, int], stats.Sums]

    def total(self) -> list[Point]:
        """Over the carriers of the graph."""
        by_bucket: dict[int, list[stats.Sums]] = {}
        for (number, _), part in self.sums.items():
            by_bucket.setdefault(number, []).append(part)
        return [
            Point(bucket, stats.total(by_bucket.get(number, ())), self.shows_legs)
            for number, bucket in enumerate(self.buckets)
        ]

    def of_carrier(self, carrier_id: int) -> list[Point]:
        return [
            Point(bucket, self.sums.get((number, carrier_id), stats.Sums()), self.shows_legs)
            for number, bucket in enumerate(self.buckets)
        ]


async def graph(
    caller: callers.Caller,
    customer_id: int | None,
    start: datetime,
    end: datetime,
    interval: stats.Interval,
    carrier_ids: Sequence[int] | None,
) -> Graph:
    """Every hour or day that touches [start, end), with calls or without.

    `carrier_ids` None: every carrier, and calls for which none was chosen. Refuses NOT_FOUND,
    BAD_RANGE, TOO_MANY_POINTS.
    """
    access.require_scope(caller, Capability.SEE_STATS, customer_id)
    zone = ZoneInfo(caller.zone)
    buckets = stats.buckets(start, end, interval, zone)
    if carrier_ids is not None:
        await _require_carriers(caller.account_id, carrier_ids)
    edges = [bucket.start for bucket in buckets] + [buckets[-1].end]
    account_id = caller.account_id
    sums = await stored.sums(account_id, customer_id, edges, carrier_ids)
    seen = sorted({carrier for _, carrier in sums}, key=lambda id: (id == calls.NO_CARRIER, id))
    carriers = seen if carrier_ids is None else list(dict.fromkeys(carrier_ids))
    shows_legs = caller.customer_id is None
    return Graph(
        account_id, customer_id, carrier_ids, shows_legs, zone.key, buckets, carriers, sums
    )


async def codes(graph: Graph) -> dict[int, int]:
    """Attempts by SIP code (stats.NO_CODE: none) of the UTC hours that begin in its time."""
    whole = Period(graph.buckets[0].start, graph.buckets[-1].end)
    return await stored.codes(graph.account_id, graph.customer_id, whole, graph.chosen)


def require_few(graph: Graph) -> None:
    """Refuses (TOO_MANY_POINTS) more points of single carriers than one answer may hold."""
    if len(graph.carriers) * len(graph.buckets) > MAX_CARRIER_POINTS:
        raise refusals.Refusal(
            "TOO_MANY_POINTS",
            "At most {most} points by carrier are answered at once;"
            " name fewer carriers or a shorter time.",
            "carrierIds",
            most=MAX_CARRIER_POINTS,
        )


async def _require_carriers(account_id: int, carrier_ids: Sequence[int]) -> None:
    known = await carriers.many(account_id, list(carrier_ids))
    if any(carrier_id not in known for carrier_id in carrier_ids):
        raise refusals.no_such("Carrier", "carrierIds")
