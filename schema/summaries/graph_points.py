"""Points of graphs."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain.summaries import delays, ratios
from resolvers.access import Capability
from resolvers.summaries import graphs
from schema.engine import base, permissions, scalars
from schema.engine.fragments import declarations
from schema.summaries import statistic_fields

_NOT_FOR_BILLING = "Not for billing."


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
@strawberry.type(description="Attempts by the side that released the call.")
class ReleaseSides:
    caller: base.Long = strawberry.field(description="Attempts that the caller released.")
    callee: base.Long = strawberry.field(description="Attempts that the called party released.")
    other: base.Long = strawberry.field(
        description="Attempts with any other reported side, such as `system`."
    )
    unknown: base.Long = strawberry.field(description="Attempts for which no side is known.")

    @classmethod
    def of(cls, sums: ratios.GraphSums) -> "ReleaseSides":
        caller, callee, other = sums.released_caller, sums.released_callee, sums.released_other
        unknown = sums.attempts - caller - callee - other
        return cls(caller=caller, callee=callee, other=other, unknown=unknown)


@permissions.open_type
@strawberry.type
@statistic_fields.add((*ratios.STATISTICS, *delays.PERCENTILES))
class _Sums:
    at: datetime = strawberry.field(description="Start of the interval.")
    attempts: base.Long = strawberry.field(description="Number of attempts, by their final leg.")
    answered: base.Long = strawberry.field(
        description="Number of attempts that have an answer time."
    )
    talk_seconds: base.Long = strawberry.field(
        description="Talk time of answered attempts, in whole seconds, rounded half up."
    )
    billed_seconds: base.Long = strawberry.field(description="Billed seconds.")


@declarations.stored_type
@strawberry.type(
    description=(
        "One point of a graph. Shows the customer view, except `legs`. Ratios are null if their"
        " denominator is 0."
    )
)
class StatsPoint(_Sums):
    channels_max: base.Long | None = permissions.open_field(
        description="Maximum of active calls in samples that are taken every 10 s. Null (not 0) if"
        " no sample was taken. Also null in the total of selected carriers if several of them had"
        " calls, because their maxima are from different times."
    )
    channels_mean: float | None = permissions.open_field(
        description="Mean of active calls in samples that are taken every 10 s. Null if no"
        " sample was taken."
    )
    channels_samples: base.Long = permissions.open_field(
        description="Number of samples of active calls, one for each 10 s in which they were known."
        " 0 if there is no data."
    )
    cps: float = permissions.open_field(
        description="Attempts per second of the interval. While it lasts, per second that has"
        " passed, at least 1."
    )
    cps_peak: float | None = permissions.open_field(
        description="Attempts per second of the minute with the most attempts. Null if the interval"
        " began more than 30 days ago."
    )
    released_by: ReleaseSides = permissions.open_field(
        description="Attempts by their release side."
    )
    point: strawberry.Private[graphs.Point]

    @permissions.field(
        requires=Capability.SEE_SUMMARIES,
        hidden=True,
        description=f"Charge. Null if it has several currencies. {_NOT_FOR_BILLING}",
    )
    def charge(self) -> scalars.Money | None:
        return _single(self._charges())

    @permissions.field(
        requires=Capability.SEE_SUMMARIES,
        hidden=True,
        description=f"Charges by currency, in order of the codes. {_NOT_FOR_BILLING}",
    )
    def charges(self) -> list[scalars.Money] | None:
        return _money(self._charges())

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="Cost of every leg. A leg whose cost is not known counts as 0. Null if it has"
        " several currencies, or one that is not known.",
    )
    def cost(self) -> scalars.Money | None:
        costs = self.point.sums.costs
        return _single(costs or dict.fromkeys(self._charges(), Decimal(0)))

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="Costs of every leg by the carriers' currencies, in order of the codes. A leg"
        " whose cost is not known counts as 0.",
    )
    def costs(self) -> list[scalars.Money] | None:
        return _money(self.point.sums.costs)

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="Charge − cost. Null if they have several currencies. A leg whose cost is not"
        " known counts as 0; `profit` of a summary row is then null.",
    )
    def profit(self) -> scalars.Money | None:
        charges, costs = self._charges(), self.point.sums.costs
        currencies = charges.keys() | costs.keys()
        zero = Decimal(0)
        return _single({c: charges.get(c or "", zero) - costs.get(c, zero) for c in currencies})

    def _charges(self) -> Mapping[str, Decimal]:
        """0 in the customer's currency without calls."""
        currency = self.point.currency
        charges = self.point.sums.charges
        return {currency: Decimal(0)} if currency is not None and not charges else charges

    @permissions.open_field(
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
            cps_peak=None if point.peak is None else point.peak / 60,
            talk_seconds=(sums.talk_us + 500_000) // 1_000_000,
            billed_seconds=sums.billed_seconds,
            released_by=ReleaseSides.of(sums),
            point=point,
            **statistics,
            **statistic_fields.percentiles(point.delays),
        )


def _money(amounts: Mapping[Any, Decimal]) -> list[scalars.Money]:
    known = sorted(currency for currency in amounts if currency is not None)
    return [scalars.Money.of(amounts[currency], currency) for currency in known]


def _single(amounts: Mapping[Any, Decimal]) -> scalars.Money | None:
    """None unless there is one currency."""
    return _money(amounts)[0] if len(amounts) == 1 and None not in amounts else None


def _cps(point: graphs.Point, now: datetime) -> float:
    def at(instant: datetime) -> float:
        return float(ratios.cps(point.sums, point.bucket, instant))

    has_ended = point.bucket.end <= now
    return at(now) if has_ended else declarations.TimedFloat.of(at, now)
