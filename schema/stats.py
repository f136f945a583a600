"""Graphs: points an hour or a day, as a total and by carrier."""

from datetime import datetime
from fractions import Fraction
from typing import Annotated

import strawberry

from domain import stats as rules
from resolvers import stats
from schema import base, carriers

StatsInterval = strawberry.enum(
    rules.Interval,
    name="StatsInterval",
    description="HOUR: UTC hours. DAY: days of the contact's time zone, 23 to 25 hours long where"
    " the clocks change.",
)


@strawberry.type(
    description="The carrier view: every leg under its own carrier, so that an attempt counts once"
    " for each carrier it was offered to. Legs add up over carriers, to no fewer than the attempts."
)
class LegStats:
    offered: base.Long = strawberry.field(
        description="Legs offered; where no carrier was chosen, the attempts themselves."
    )
    answered: base.Long = strawberry.field(description="Legs that have an answer time.")
    pdd_ms: float | None = strawberry.field(
        description="Milliseconds from the leg's offer to its first 18x, on average of the legs"
        " that had one; null without."
    )

    @classmethod
    def of(cls, sums: rules.Sums) -> "LegStats":
        return cls(
            offered=sums.legs,
            answered=sums.legs_answered,
            pdd_ms=as_float(rules.legs_pdd_ms(sums)),
        )


@strawberry.type(
    description="One point of a graph: the customer view, but for `legs`. Ratios are null without"
    " a denominator."
)
class StatsPoint:
    at: datetime = strawberry.field(description="Start of the hour or day.")
    attempts: base.Long = strawberry.field(description="Calls tried, by their final leg.")
    answered: base.Long = strawberry.field(description="Attempts that have an answer time.")
    asr: float | None = strawberry.field(description="Percent: 100 × answered ÷ attempts.")
    acd_seconds: float | None = strawberry.field(description="Seconds of talk ÷ answered.")
    dtmf_percent: float | None = strawberry.field(
        description="Percent of the answered attempts that sent at least one DTMF digit."
    )
    pdd_ms: float | None = strawberry.field(
        description="Milliseconds from setup to the first 18x, on average of the attempts that"
        " had one."
    )
    channels_max: base.Long | None = strawberry.field(
        description="Most channels up at once; null where it was not measured, which it is not yet."
    )
    cps: float = strawberry.field(
        description="Attempts per second: attempts ÷ seconds of the whole hour or day."
    )
    point: strawberry.Private[stats.Point]

    @strawberry.field(
        description="Null for whoever sees one customer only: routing is not theirs to see."
    )
    def legs(self) -> LegStats | None:
        return LegStats.of(self.point.sums) if self.point.shows_legs else None

    @classmethod
    def of(cls, point: stats.Point) -> "StatsPoint":
        sums = point.sums
        return cls(
            at=point.bucket.start,
            attempts=sums.attempts,
            answered=sums.answered,
            asr=as_float(rules.asr(sums.attempts, sums.answered)),
            acd_seconds=as_float(rules.acd_seconds(sums.answered, sums.talk_us)),
            dtmf_percent=as_float(rules.dtmf_percent(sums)),
            pdd_ms=as_float(rules.pdd_ms(sums)),
            channels_max=None,
            cps=float(rules.cps(sums, point.bucket)),
            point=point,
        )


def as_float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


@strawberry.type(description="A graph of one carrier.")
class CarrierStats:
    carrier: carriers.Carrier | None = strawberry.field(
        description="Null: attempts for which no carrier was chosen."
    )
    points: list[StatsPoint] = strawberry.field(
        description="As many as `total` has, at the same instants; attempts whose final leg was"
        " this carrier's, so that the carriers add up to the total (and every leg, in `legs`)."
    )


@strawberry.type(description="Attempts whose final leg ended with a SIP code.")
class CodeCount:
    code: base.Long | None = strawberry.field(description="Null: none was reported.")
    attempts: base.Long = strawberry.field(description="Attempts, more than none.")


@strawberry.type(
    description="Graphs of the stored sums: for looking at, while the summary alone is billed."
)
class Stats:
    time_zone: str = strawberry.field(
        description="IANA zone whose days these are: the contact's own, UTC for staff and keys."
    )
    graph: strawberry.Private[stats.Graph]

    @strawberry.field(
        description="Over the carriers asked for (null: all, and calls without one). Every hour or"
        " day that touches [from, to), also those without calls."
    )
    def total(self) -> list[StatsPoint]:
        return [StatsPoint.of(point) for point in self.graph.total()]

    @strawberry.field(
        description="A graph a carrier: those asked for, else those with calls in that time."
        f" At most {stats.MAX_CARRIER_POINTS} points in all, else TOO_MANY_POINTS."
    )
    async def by_carrier(self, info: base.Info) -> list[CarrierStats]:
        stats.require_few(self.graph)
        found = await carriers.of(info, self.graph.carriers)
        return [
            CarrierStats(
                carrier=carrier,
                points=[StatsPoint.of(point) for point in self.graph.of_carrier(carrier_id)],
            )
            for carrier_id, carrier in zip(self.graph.carriers, found, strict=True)
        ]

    @strawberry.field(
        description="Attempts by SIP code of the final leg, in the order of the codes, over the"
        " carriers asked for. They are kept by UTC hour: those of the hours that begin in the"
        " whole time of `total`, so that they add up to it where its points begin at such hours."
    )
    async def codes(self) -> list[CodeCount]:
        found = await stats.codes(self.graph)
        return [
            CodeCount(code=None if code == rules.NO_CODE else code, attempts=attempts)
            for code, attempts in found.items()
        ]

    @strawberry.field(
        description="Percent, of `codes`: 100 × (200, 480, 486, 600, 603) ÷ (attempts − 3xx),"
        " the SEER of RFC 6076. Null without a denominator."
    )
    async def ner(self) -> float | None:
        return as_float(rules.ner(await stats.codes(self.graph)))


@strawberry.type
class HasStats(base.Scoped):
    @strawberry.field(
        description="Graphs of the time [from, to), current within a minute."
        f" At most {rules.MAX_POINTS} points, else TOO_MANY_POINTS."
    )
    async def stats(
        self,
        info: base.Info,
        from_: Annotated[
            datetime,
            strawberry.argument(name="from", description="Rounded down to its hour or day."),
        ],
        to: Annotated[
            datetime, strawberry.argument(description="Exclusive; rounded up to an hour or day.")
        ],
        interval: Annotated[
            rules.Interval, strawberry.argument(description="How long a point's time is.")
        ],
        carrier_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Null: every carrier; []: none."),
        ] = None,
    ) -> Stats:
        caller = info.context.signed_in()
        chosen = None
        if carrier_ids is not None:
            account_id = caller.account_id
            chosen = [base.decode_id(id, "Carrier", account_id) for id in carrier_ids]
        graph = await stats.graph(caller, self.customer_id, from_, to, interval, chosen)
        return Stats(time_zone=graph.zone, graph=graph)
