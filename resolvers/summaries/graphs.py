"""Graphs as a caller can see them, in the caller's time zone (a contact's own, otherwise UTC)."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain import refusals
from domain.identity import callers
from domain.periods import Period
from domain.records import calls
from domain.summaries import channel_history, delays, intervals, minutes, ratios
from domain.summaries.graph_parts import Part
from models.directory import carriers, customers
from models.summaries import channel_queries, graph_queries
from models.summaries.graph_queries import Key, Request
from models.tables import Customer
from resolvers import access
from resolvers.access import Capability

MAX_CARRIER_POINTS = 50_000
_KEYS_PER_TURN = 2_000  # less than a millisecond of work
_NONE = ratios.GraphSums()


@dataclass(frozen=True, slots=True)
class Point:
    """`currency`: of a charge of 0. `delays`, `peak`: None if they were not requested; the peak is
    also None if it is not stored."""

    bucket: Period
    sums: ratios.GraphSums
    shows_legs: bool
    channels: channel_history.Channels | None  # None: no sample was taken
    currency: str | None
    delays: delays.Histogram | None
    peak: int | None


@dataclass(frozen=True, slots=True)
class Extras:
    """What is read only if it is requested: histograms of delays, and peaks of attempts."""

    histograms: Mapping[Key, delays.Histogram] | None = None
    peaks: Mapping[Key, int] | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """`sums` by (bucket, carrier). `carriers` in the requested order, otherwise by number.
    `shows_legs`: whether the caller may see routing. `peaks_from`: minutes are stored from then."""

    request: Request
    shows_legs: bool
    zone: str
    buckets: list[Period]
    carriers: list[int]
    sums: dict[Key, ratios.GraphSums]
    history: channel_history.History
    currency: str | None
    peaks_from: datetime
    parts: dict[Part, dict[Key, ratios.GraphSums]] = field(default_factory=dict)

    def total(self, extras: Extras) -> Iterator[Point]:
        """Over the carriers of the graph."""
        for number, bucket in enumerate(self.buckets):
            keys = [(number, carrier) for carrier in self.carriers]
            parts = [self.sums[key] for key in keys if key in self.sums]
            sums = ratios.merge(parts) if parts else _NONE
            histogram = None
            if extras.histograms is not None:
                histograms = [extras.histograms[key] for key in keys if key in extras.histograms]
                histogram = delays.merge(histograms)
            channels = self._channels(number)
            yield self._point(bucket, sums, channels, histogram, extras.peaks, (number, None))

    def _channels(self, number: int) -> channel_history.Channels | None:
        if self.request.carrier_ids is None:
            return self.history.of_all(number)
        return self.history.of_carriers(number, self.carriers)

    def of_carrier(self, carrier_id: int, extras: Extras) -> Iterator[Point]:
        for number, bucket in enumerate(self.buckets):
            key = number, carrier_id
            channels = self.history.of_carriers(number, [carrier_id])
            sums = self.sums.get(key, _NONE)
            yield self._point(bucket, sums, channels, _histogram(extras, key), extras.peaks, key)

    def of_part(self, part: Part, value: Any, extras: Extras) -> Iterator[Point]:
        """Of a customer or a country; the history of active calls is not known."""
        for number, bucket in enumerate(self.buckets):
            key = number, value
            sums = self.parts[part].get(key, _NONE)
            yield self._point(bucket, sums, None, _histogram(extras, key), extras.peaks, key)

    def _point(
        self,
        bucket: Period,
        sums: ratios.GraphSums,
        channels: channel_history.Channels | None,
        histogram: delays.Histogram | None,
        peaks: Mapping[Key, int] | None,
        key: Key,
    ) -> Point:
        has_minutes = peaks is not None and bucket.start >= self.peaks_from
        peak = peaks.get(key, 0) if peaks is not None and has_minutes else None
        return Point(bucket, sums, self.shows_legs, channels, self.currency, histogram, peak)


def _histogram(extras: Extras, key: Key) -> delays.Histogram | None:
    return None if extras.histograms is None else extras.histograms.get(key, {})


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
    BAD_RANGE, TOO_MANY_POINTS, NO_MINUTES.
    """
    access.require_scope(caller, Capability.SEE_STATS, customer_id)
    zone = ZoneInfo(caller.zone)
    buckets = intervals.buckets(start, end, interval, zone)
    intervals.require_stored(buckets[0].end, end, interval, now)
    if carrier_ids is not None:
        await _require_carriers(caller.account_id, carrier_ids)
    edges = [bucket.start for bucket in buckets] + [buckets[-1].end]
    request = Request(caller.account_id, customer_id, edges, interval, carrier_ids)
    sums = await graph_queries.sums(request)
    history = await channel_queries.read(caller.account_id, customer_id, edges, now)
    with_calls = await _values(sums) | history.carriers
    seen = sorted(with_calls, key=lambda id: (id == calls.NO_CARRIER, id))
    carriers = seen if carrier_ids is None else list(dict.fromkeys(carrier_ids))
    return Graph(
        request=request,
        shows_legs=access.sees_account(caller),
        zone=zone.key,
        buckets=buckets,
        carriers=carriers,
        sums=sums,
        history=history,
        currency=await _currency(caller.account_id, customer_id),
        peaks_from=now - minutes.SHOWN_FOR,
    )


async def _currency(account_id: int, customer_id: int | None) -> str | None:
    """The currency of a customer's charges; None for the account, which may have several."""
    if customer_id is None:
        return None
    customer = await customers.get(account_id, customer_id)
    return None if customer is None else customer.currency


async def _values(keys: Mapping[Key, Any]) -> set[Any]:
    """The second values of the keys."""
    values: set[Any] = set()
    for number, (_, value) in enumerate(keys, 1):
        values.add(value)
        if number % _KEYS_PER_TURN == 0:
            await asyncio.sleep(0)  # other tasks get a turn
    return values


async def read_part(graph: Graph, part: Part) -> list[Any]:
    """Reads the sums of the customers or countries of the graph. Returns them in order."""
    if part not in graph.parts:
        graph.parts[part] = await graph_queries.sums(graph.request, part)
    return sorted(await _values(graph.parts[part]))


async def read_customers(graph: Graph) -> list[Customer]:
    """Reads the sums by customer. Returns the customers in order of their ids."""
    ids = await read_part(graph, Part.CUSTOMER)
    rows = await customers.by_ids(graph.request.account_id, ids)
    return [rows[id] for id in ids]


async def extras(
    graph: Graph, part: Part, *, total: bool = False, percentiles: bool, peaks: bool
) -> Extras:
    """What was requested beside the sums. Peaks are those of all parts together for a `total`."""
    request = graph.request
    has_histograms = percentiles and part is not Part.COUNTRY
    return Extras(
        await graph_queries.histograms(request, part) if has_histograms else None,
        await graph_queries.peaks(request, None if total else part) if peaks else None,
    )


async def codes(graph: Graph) -> dict[int, int]:
    """Attempts by SIP code (`ratios.NO_CODE`: none) of the UTC hours that begin in its period."""
    whole = Period(graph.buckets[0].start, graph.buckets[-1].end)
    request = graph.request
    return await graph_queries.codes(
        request.account_id, request.customer_id, whole, request.carrier_ids
    )


def require_few(graph: Graph, parts: int) -> None:
    """Refuses TOO_MANY_POINTS if the graphs of the parts exceed the limit of a response."""
    if parts * len(graph.buckets) > MAX_CARRIER_POINTS:
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
