"""Graphs as a caller can see them, in the caller's time zone (a contact's own, otherwise UTC)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain import refusals
from domain.identity import callers
from domain.periods import Period
from domain.records import calls
from domain.summaries import channel_history, intervals, ratios
from models.directory import carriers
from models.summaries import channel_queries, graph_queries
from resolvers import access
from resolvers.access import Capability

MAX_CARRIER_POINTS = 50_000


@dataclass(frozen=True, slots=True)
class Point:
    bucket: Period
    sums: ratios.Sums
    shows_legs: bool
    channels: channel_history.Channels | None  # None: no sample was taken


@dataclass(frozen=True, slots=True)
class Graph:
    """`sums` by (bucket, carrier). `carriers` in the requested order, otherwise by number.
    `chosen`: the requested carriers, None for all. `shows_legs`: whether the caller may see
    routing."""

    account_id: int
    customer_id: int | None
    chosen: Sequence[int] | None
    shows_legs: bool
    zone: str
    buckets: list[Period]
    carriers: list[int]
    sums: dict[tuple[int, int], ratios.Sums]
    history: channel_history.History

    def total(self) -> Iterator[Point]:
        """Over the carriers of the graph."""
        for number, bucket in enumerate(self.buckets):
            keys = ((number, carrier) for carrier in self.carriers)
            sums = ratios.total(self.sums[key] for key in keys if key in self.sums)
            yield Point(bucket, sums, self.shows_legs, self._channels(number))

    def _channels(self, number: int) -> channel_history.Channels | None:
        if self.chosen is None:
            return self.history.of_all(number)
        return self.history.of_carriers(number, self.carriers)

    def of_carrier(self, carrier_id: int) -> Iterator[Point]:
        for number, bucket in enumerate(self.buckets):
            sums = self.sums.get((number, carrier_id), ratios.Sums())
            channels = self.history.of_carriers(number, [carrier_id])
            yield Point(bucket, sums, self.shows_legs, channels)


async def graph(
    caller: callers.Caller,
    customer_id: int | None,
    start: datetime,
    end: datetime,
    interval: intervals.Interval,
    carrier_ids: Sequence[int] | None,
    now: datetime,
) -> Graph:
    """A graph with every interval that overlaps [start, end), with or without calls.

    `carrier_ids` None: all carriers, and calls for which none was chosen. Refuses NOT_FOUND,
    BAD_RANGE, TOO_MANY_POINTS.
    """
    access.require_scope(caller, Capability.SEE_STATS, customer_id)
    zone = ZoneInfo(caller.zone)
    buckets = intervals.buckets(start, end, interval, zone)
    if carrier_ids is not None:
        await _require_carriers(caller.account_id, carrier_ids)
    edges = [bucket.start for bucket in buckets] + [buckets[-1].end]
    account_id = caller.account_id
    sums = await graph_queries.sums(account_id, customer_id, edges, carrier_ids)
    history = await channel_queries.read(account_id, customer_id, edges, now)
    with_calls = {carrier for _, carrier in sums} | history.carriers
    seen = sorted(with_calls, key=lambda id: (id == calls.NO_CARRIER, id))
    carriers = seen if carrier_ids is None else list(dict.fromkeys(carrier_ids))
    shows_legs = access.sees_account(caller)
    return Graph(
        account_id=account_id,
        customer_id=customer_id,
        chosen=carrier_ids,
        shows_legs=shows_legs,
        zone=zone.key,
        buckets=buckets,
        carriers=carriers,
        sums=sums,
        history=history,
    )


async def codes(graph: Graph) -> dict[int, int]:
    """Attempts by SIP code (`ratios.NO_CODE`: none) of the UTC hours that begin in its period."""
    whole = Period(graph.buckets[0].start, graph.buckets[-1].end)
    return await graph_queries.codes(graph.account_id, graph.customer_id, whole, graph.chosen)


def require_few(graph: Graph) -> None:
    """Refuses TOO_MANY_POINTS if the graphs by carrier exceed the limit of a response."""
    if len(graph.carriers) * len(graph.buckets) > MAX_CARRIER_POINTS:
        raise refusals.Refusal(
            "TOO_MANY_POINTS",
            "A graph has at most {most} points by carrier. Select fewer carriers or a shorter"
            " period.",
            "carrierIds",
            most=MAX_CARRIER_POINTS,
        )


async def _require_carriers(account_id: int, carrier_ids: Sequence[int]) -> None:
    known = await carriers.by_ids(account_id, list(carrier_ids))
    if any(carrier_id not in known for carrier_id in carrier_ids):
        raise refusals.not_found("Carrier", "carrierIds")
