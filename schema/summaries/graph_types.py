"""Graphs: points of an interval each, as a total and by carrier."""

import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

import graphql
import strawberry
from strawberry.utils.str_converters import to_camel_case

from domain import periods
from domain.summaries import delays, intervals, ratios
from domain.summaries.graph_parts import Part
from models import tables
from resolvers.access import Capability
from resolvers.summaries import graphs
from resolvers.summaries.revisions import Source
from schema.directory import carriers
from schema.engine import base, permissions, slices
from schema.engine.documents import expensive, prices, shapes
from schema.engine.fragments import declarations
from schema.summaries import statistic_fields
from schema.summaries.graph_parts import CarrierStats, CodeCount, CountryStats, CustomerStats
from schema.summaries.graph_points import StatsPoint

_FINEST = next(iter(intervals.Interval))
_LONG = timedelta(days=31)  # longer graphs take PostgreSQL more than about 20 ms

StatsInterval = strawberry.enum(
    intervals.Interval,
    name="StatsInterval",
    description="Length of the interval of a point. MINUTE, FIVE_MINUTES (last 30 days),"
    " QUARTER_HOUR, HOUR: of UTC. DAY, WEEK (starting"
    " Monday), MONTH: of the contact's time zone; a day with a clock change has 23 or 25 hours.",
)


_PERCENTILES = {to_camel_case(percentile.name) for percentile in delays.PERCENTILES}


async def _points_of(points: Iterator[graphs.Point], now: datetime) -> list[StatsPoint]:
    return await slices.transform(points, lambda point: StatsPoint.of(point, now))


def _selected_names(info: base.Info) -> set[str]:
    """The names of all fields that are selected below the current one."""
    names: set[str] = set()
    raw = info._raw_info
    nodes: list[Any] = list(raw.field_nodes)
    while nodes:
        node = nodes.pop()
        if isinstance(node, graphql.FragmentSpreadNode):
            node = raw.fragments[node.name.value]
        elif isinstance(node, graphql.FieldNode):
            names.add(node.name.value)
        if node.selection_set is not None:
            nodes.extend(node.selection_set.selections)
    return names


def _is_long(source: "Stats") -> bool:
    buckets = source.graph.buckets
    return buckets[-1].end - buckets[0].start > _LONG


def _asks_for_long(_: object, *, from_: datetime, to: datetime, **more: object) -> bool:
    return to - from_ > _LONG


@declarations.stored_type
@strawberry.type(description="Graphs of the stored sums. Only the summary is valid for billing.")
class Stats:
    time_zone: str = permissions.open_field(
        description="IANA zone of the days: the contact's time zone; UTC for staff and keys."
    )
    graph: strawberry.Private[graphs.Graph]

    @permissions.open_field(
        description="The graph over the selected carriers (null: all, and calls without a carrier)."
        " Has a point for every interval that overlaps [from, to), also without calls."
    )
    async def total(self, info: base.Info) -> list[StatsPoint]:
        extras = await self._extras(info, Part.CARRIER, total=True)
        return await _points_of(self.graph.total(extras), info.context.now)

    @permissions.open_field(
        description="One graph per carrier: the selected carriers, or those with calls in the"
        f" period. At most {graphs.MAX_CARRIER_POINTS} points in total. Refused: TOO_MANY_POINTS."
    )
    async def by_carrier(self, info: base.Info) -> list[CarrierStats] | None:
        graphs.require_few(self.graph, len(self.graph.carriers))
        carrier_rows = await carriers.of(info, self.graph.carriers)
        extras = await self._extras(info, Part.CARRIER)
        return cast("list[CarrierStats]", self._by_carrier(carrier_rows, extras, info.context.now))

    async def _by_carrier(
        self, found: Sequence[carriers.Carrier | None], extras: graphs.Extras, now: datetime
    ) -> AsyncGenerator[CarrierStats, None]:
        """One after another (see `slices.complete_one_by_one`): they have up to 50,000 points."""
        for carrier_id, carrier in zip(self.graph.carriers, found, strict=True):
            points = await _points_of(self.graph.of_carrier(carrier_id, extras), now)
            yield CarrierStats(carrier=carrier, points=points)

    @permissions.field(
        requires=Capability.SEE_STATS,
        whole_account=True,
        hidden=True,
        description="One graph per customer with calls in the period, over the selected carriers,"
        f" in order of creation. At most {graphs.MAX_CARRIER_POINTS} points in total. Refused:"
        " TOO_MANY_POINTS.",
    )
    async def by_customer(self, info: base.Info) -> list[CustomerStats] | None:
        rows = await graphs.read_customers(self.graph)
        graphs.require_few(self.graph, len(rows))
        extras = await self._extras(info, Part.CUSTOMER)
        return cast("list[CustomerStats]", self._by_customer(rows, extras, info.context.now))

    async def _by_customer(
        self, rows: Sequence[tables.Customer], extras: graphs.Extras, now: datetime
    ) -> AsyncGenerator[CustomerStats, None]:
        for row in rows:
            points = self.graph.of_part(Part.CUSTOMER, row.id, extras)
            yield CustomerStats(
                customer_id=strawberry.ID(base.encode_id("Customer", row.account_id, row.id)),
                reference=row.reference,
                name=row.name,
                points=await _points_of(points, now),
            )

    @permissions.open_field(
        description="One graph per destination country with calls in the period, over the selected"
        " carriers, in order of the codes (not known: first). At most"
        f" {graphs.MAX_CARRIER_POINTS} points in total. Refused: TOO_MANY_POINTS."
    )
    async def by_country(self, info: base.Info) -> list[CountryStats] | None:
        countries = await graphs.read_part(self.graph, Part.COUNTRY)
        graphs.require_few(self.graph, len(countries))
        extras = await self._extras(info, Part.COUNTRY)
        return cast("list[CountryStats]", self._by_country(countries, extras, info.context.now))

    async def _by_country(
        self, countries: Sequence[str], extras: graphs.Extras, now: datetime
    ) -> AsyncGenerator[CountryStats, None]:
        for country in countries:
            points = self.graph.of_part(Part.COUNTRY, country, extras)
            yield CountryStats(country=country or None, points=await _points_of(points, now))

    async def _extras(self, info: base.Info, part: Part, *, total: bool = False) -> graphs.Extras:
        names = _selected_names(info)
        return await graphs.extras(
            self.graph,
            part,
            total=total,
            percentiles=not names.isdisjoint(_PERCENTILES),
            peaks="cpsPeak" in names,
        )

    @permissions.open_field(
        description=(
            "Attempts by SIP code of the final leg, in order of the codes, over the selected"
            " carriers. They are stored by UTC hour and cover the hours that start in the period"
            " of `total`, so they add up to it if its points start on UTC hours. Refused: BUSY."
        ),
        extensions=[expensive.Expensive(_is_long)],
    )
    async def codes(self) -> list[CodeCount]:
        counts = await graphs.codes(self.graph)
        return [
            CodeCount(code=None if code == ratios.NO_CODE else code, attempts=attempts)
            for code, attempts in counts.items()
        ]

    @permissions.open_field(
        description=(
            "Percent, computed from `codes`: 100 × (200, 480, 486, 600, 603) ÷ (attempts − 3xx),"
            " the SEER of RFC 6076. Null if the denominator is 0. Refused: BUSY."
        ),
        extensions=[expensive.Expensive(_is_long)],
    )
    async def ner(self) -> float | None:
        return statistic_fields.as_float(ratios.ner(await graphs.codes(self.graph)))


def _points(arguments: prices.Arguments) -> int:
    """As many as there are, and more if more carriers are named than a graph is taken to have."""
    points = _hours(arguments) / _hours_of_point(arguments) + 2
    named = arguments.get("carrierIds")
    carriers = len(named) if isinstance(named, list | tuple) else 0
    return math.ceil(points * max(1.0, carriers / shapes.LIST_SIZE))


def _hours(arguments: prices.Arguments) -> float:
    """Hours of the requested period. 0 if it is refused for its length before anything is read."""
    hours = prices.hours(arguments)
    most = min(_hours_of_point(arguments) * intervals.MAX_POINTS, 24 * intervals.MAX_DAYS)
    return hours if hours <= most else 0


def _hours_of_point(arguments: prices.Arguments) -> float:
    """Of the finest interval if none can be read."""
    given = arguments.get("interval")
    interval = next((each for each in intervals.Interval if each == given), _FINEST)
    return interval.typical_length / periods.HOUR


def _work(arguments: prices.Arguments) -> float:
    """By the rows that PostgreSQL reads for an hour of the period."""
    length = _hours_of_point(arguments)
    if length >= 24:
        return _hours(arguments) * 0.4
    return _hours(arguments) * (1.6 if length >= 0.25 else 10)


@strawberry.type
class HasStats(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_STATS,
        description="Graphs of the period [from, to), at most a minute old, with at most"
        f" {intervals.MAX_POINTS} points (TOO_MANY_POINTS) and {intervals.MAX_DAYS} days"
        " (BAD_RANGE). Not valid for billing. Refused also: NO_MINUTES, BUSY.",
        extensions=[expensive.Expensive(_asks_for_long)],
        metadata={
            **prices.price(250, each=10, work=_work, points=_points),
            **declarations.stored(Source.SUMS, Source.CHANNELS, Source.NAMES),
        },
    )
    async def stats(
        self,
        info: base.Info,
        from_: Annotated[
            datetime,
            strawberry.argument(
                name="from", description="Start, inclusive; rounded down to an interval."
            ),
        ],
        to: Annotated[
            datetime,
            strawberry.argument(description="End, exclusive; rounded up to an interval."),
        ],
        interval: Annotated[
            intervals.Interval,
            strawberry.argument(description="Length of the interval of one point."),
        ],
        carrier_ids: Annotated[
            list[strawberry.ID] | None,
            prices.list_argument("Only these carriers. Null: all carriers; []: none."),
        ] = None,
    ) -> Stats | None:
        caller = info.context.signed_in()
        chosen = None
        if carrier_ids is not None:
            account_id = caller.account_id
            chosen = [
                base.decode_id(id, "Carrier", account_id) for id in dict.fromkeys(carrier_ids)
            ]
        now = info.context.now
        graph = await graphs.graph(caller, self.customer_id, from_, to, interval, chosen, now)
        return Stats(time_zone=graph.zone, graph=graph)
