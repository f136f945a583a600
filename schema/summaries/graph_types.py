"""Graphs: points of an interval each, as a total and by carrier."""

import math
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, TypeVar, cast

import strawberry

from domain import periods
from domain.summaries import intervals, ratios
from resolvers.access import Capability
from resolvers.summaries import graphs
from resolvers.summaries.revisions import Source
from schema.directory import carriers
from schema.engine import base, permissions, slices
from schema.engine.documents import expensive, prices, shapes
from schema.engine.fragments import declarations
from schema.summaries import statistic_fields

T = TypeVar("T")
_FINEST = next(iter(intervals.Interval))
_LONG = timedelta(days=31)  # longer graphs take PostgreSQL more than about 20 ms

StatsInterval = strawberry.enum(
    intervals.Interval,
    name="StatsInterval",
    description="Length of the interval of a point. QUARTER_HOUR, HOUR: of UTC. DAY, WEEK (starting"
    " Monday), MONTH: of the contact's time zone; a day with a clock change has 23 or 25 hours.",
)


@permissions.open_type
@strawberry.type(
    description=(
        "The carrier view: each leg counts for its own carrier, so an attempt counts once for"
        " each carrier to which it was offered. The sum over carriers is at least the number of"
        " attempts."
    )
)
class LegStats:
    offered: base.Long = strawberry.field(
        description="Number of offered legs. If no carrier was chosen, the number of attempts."
    )
    answered: base.Long = strawberry.field(description="Number of legs that have an answer time.")
    pdd_ms: float | None = strawberry.field(
        description=f"{ratios.LEGS_PDD_MS.description} Null if none had one."
    )

    @classmethod
    def of(cls, sums: ratios.Sums) -> "LegStats":
        return cls(
            offered=sums.legs,
            answered=sums.legs_answered,
            pdd_ms=statistic_fields.as_float(ratios.LEGS_PDD_MS.of(sums)),
        )


@permissions.open_type
@strawberry.type
@statistic_fields.add(ratios.STATISTICS)
class _Sums:
    at: datetime = strawberry.field(description="Start of the interval.")
    attempts: base.Long = strawberry.field(description="Number of attempts, by their final leg.")
    answered: base.Long = strawberry.field(
        description="Number of attempts that have an answer time."
    )


@declarations.stored_type
@permissions.open_type
@strawberry.type(
    description=(
        "One point of a graph. Shows the customer view, except `legs`. Ratios are null if their"
        " denominator is 0."
    )
)
class StatsPoint(_Sums):
    channels_max: base.Long | None = strawberry.field(
        description="Maximum of active calls in samples that are taken every 10 s. Null (not 0) if"
        " no sample was taken. Also null in the total of selected carriers if several of them had"
        " calls, because their maxima are from different times."
    )
    channels_mean: float | None = strawberry.field(
        description="Mean of active calls in samples that are taken every 10 s. Null if no"
        " sample was taken."
    )
    channels_samples: base.Long = strawberry.field(
        description="Number of samples of active calls, one for each 10 s in which they were known."
        " 0 if there is no data."
    )
    cps: float = strawberry.field(
        description="Attempts per second of the interval. While it lasts, per second that has"
        " passed, at least 1."
    )
    point: strawberry.Private[graphs.Point]

    @strawberry.field(
        description=(
            "The carrier view. Null for callers that can access only one customer, because"
            " routing is hidden from customers."
        )
    )
    def legs(self) -> LegStats | None:
        return LegStats.of(self.point.sums) if self.point.shows_legs else None

    @classmethod
    def of(cls, point: graphs.Point, now: datetime) -> "StatsPoint":
        sums, channels = point.sums, point.channels
        statistics = statistic_fields.values(ratios.STATISTICS, sums)
        return cls(
            at=point.bucket.start,
            attempts=sums.attempts,
            answered=sums.answered,
            channels_max=None if channels is None else channels.maximum,
            channels_mean=None if channels is None else float(channels.mean),
            channels_samples=0 if channels is None else channels.samples,
            cps=_cps(point, now),
            point=point,
            **statistics,
        )


def _cps(point: graphs.Point, now: datetime) -> float:
    def at(instant: datetime) -> float:
        return float(ratios.cps(point.sums, point.bucket, instant))

    has_ended = point.bucket.end <= now
    return at(now) if has_ended else declarations.TimedFloat.of(at, now)


def _is_long(source: "Stats") -> bool:
    buckets = source.graph.buckets
    return buckets[-1].end - buckets[0].start > _LONG


def _asks_for_long(_: object, *, from_: datetime, to: datetime, **more: object) -> bool:
    return to - from_ > _LONG


@permissions.open_type
@strawberry.type(description="The graph of one carrier.")
class CarrierStats:
    carrier: carriers.Carrier | None = strawberry.field(
        description="The carrier. Null for attempts for which no carrier was chosen."
    )
    points: list[StatsPoint] = strawberry.field(
        description=(
            "As many points as `total` has, at the same times. Each counts the attempts whose"
            " final leg was this carrier's, so the carriers add up to the total. `legs` counts"
            " every leg."
        )
    )


@permissions.open_type
@strawberry.type(description="Attempts whose final leg ended with a SIP code.")
class CodeCount:
    code: base.Long | None = strawberry.field(
        description="Final SIP code. Null if none was reported."
    )
    attempts: base.Long = strawberry.field(description="Number of attempts, at least 1.")


@declarations.stored_type
@permissions.open_type
@strawberry.type(description="Graphs of the stored sums. Only the summary is valid for billing.")
class Stats:
    time_zone: str = strawberry.field(
        description="IANA zone of the days: the contact's time zone; UTC for staff and keys."
    )
    graph: strawberry.Private[graphs.Graph]

    @strawberry.field(
        description="The graph over the selected carriers (null: all, and calls without a carrier)."
        " Has a point for every interval that overlaps [from, to), also without calls."
    )
    async def total(self, info: base.Info) -> list[StatsPoint]:
        now = info.context.now
        return await slices.transform(self.graph.total(), lambda point: StatsPoint.of(point, now))

    @strawberry.field(
        description="One graph per carrier: the selected carriers, or those with calls in the"
        f" period. At most {graphs.MAX_CARRIER_POINTS} points in total. Refused: TOO_MANY_POINTS."
    )
    async def by_carrier(self, info: base.Info) -> list[CarrierStats] | None:
        graphs.require_few(self.graph)
        carrier_rows = await carriers.of(info, self.graph.carriers)
        return cast("list[CarrierStats]", self._by_carrier(carrier_rows, info.context.now))

    async def _by_carrier(
        self, found: Sequence[carriers.Carrier | None], now: datetime
    ) -> AsyncGenerator[CarrierStats, None]:
        """One after another (see `slices.complete_one_by_one`): they have up to 50,000 points."""
        for carrier_id, carrier in zip(self.graph.carriers, found, strict=True):
            points = self.graph.of_carrier(carrier_id)
            points_shown = await slices.transform(points, lambda point: StatsPoint.of(point, now))
            yield CarrierStats(carrier=carrier, points=points_shown)

    @strawberry.field(
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

    @strawberry.field(
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
    return _hours(arguments) * 1.6


@strawberry.type
class HasStats(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_STATS,
        description="Graphs of the period [from, to), at most a minute old, with at most"
        f" {intervals.MAX_POINTS} points (TOO_MANY_POINTS) and {intervals.MAX_DAYS} days"
        " (BAD_RANGE). Not valid for billing. Refused also: BUSY.",
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
