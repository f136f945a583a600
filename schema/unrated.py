"""Calls without a rate: what staff see of them and do about them."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from models import unrated as stored
from resolvers import unrated as resolve
from schema import base
from schema.records import CallRecord

_FROM = "Set up at this instant or later; null: from the first."
_TO = "Set up before this instant; null: to the last."
_DESTINATION = "To numbers that begin with these digits; null: to all."


@strawberry.input(description="Which calls; null matches everything.")
class UnratedFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those of this customer."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="Which calls to rate.")
class RateCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose.")
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="Which calls are to cost nothing.")
class WaiveCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose.")
    expected_calls: base.Long = strawberry.field(
        description=f"How many there are, 1 to {resolve.MOST:,}; with another number of them"
        " nothing is done (CHANGED_MEANWHILE)."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="Waived calls that are to be without a rate again.")
class UnwaiveCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer that made them.")
    expected_calls: base.Long = strawberry.field(
        description=f"Number of such calls, 1 to {resolve.MOST:,}. If it is another number, nothing"
        " is changed (CHANGED_MEANWHILE)."
    )
    from_: datetime = strawberry.field(
        name="from", description="Calls set up at this instant or later."
    )
    to: datetime = strawberry.field(
        description="Calls set up before this instant, at most 31 days after `from`."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)


@strawberry.type(description="What became of calls without a rate.")
class RatedCalls:
    calls: base.Long = strawberry.field(description="How many have a rate now.")
    charge: base.Money = strawberry.field(description="What those cost together.")
    left: base.Long = strawberry.field(
        description="How many of those looked at no rate matches still."
    )
    go_on_from: datetime | None = strawberry.field(
        description="Give it to `from` to go on; null: all were looked at."
    )


@strawberry.type(description="Calls that cost nothing.")
class WaivedCalls:
    calls: base.Long = strawberry.field(description="How many.")


@strawberry.type(description="Waived calls that are without a rate again.")
class UnwaivedCalls:
    calls: base.Long = strawberry.field(description="Number of calls.")


RateCallsResult: TypeAlias = Annotated[
    RatedCalls | base.Refused,
    strawberry.union("RateCallsResult", description="What became of them, or why nothing."),
]
WaiveCallsResult: TypeAlias = Annotated[
    WaivedCalls | base.Refused,
    strawberry.union("WaiveCallsResult", description="How many, or why nothing was done."),
]

UnwaiveCallsResult: TypeAlias = Annotated[
    UnwaivedCalls | base.Refused,
    strawberry.union("UnwaiveCallsResult", description="The number of calls, or a refusal."),
]


@strawberry.type
class UnratedQuery:
    @strawberry.field(
        description="Answered calls that no rate matched, newest first. An invoice over them is"
        " refused until they are rated or waived. Staff."
    )
    async def unrated_calls(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            UnratedFilter | None, strawberry.argument(description="Which ones; null: all.")
        ] = None,
    ) -> base.Connection[CallRecord]:
        size, caller = base.page_size(first), info.context.signed_in()
        place = base.decode_time_cursor(after)
        rows = await resolve.page(caller, _wanted(info, filter), place, size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_time_cursor(*row[1]),
            lambda row: CallRecord.of(caller.account_id, row[0]),
        )


@strawberry.type
class UnratedMutation:
    @strawberry.mutation(
        description="Rates calls that no rate matched, by the customer's card and its rates in"
        f" force at their setup; {resolve.MOST:,} at a time, the earliest first. Staff."
    )
    async def rate_calls(
        self,
        info: base.Info,
        input: Annotated[RateCallsInput, strawberry.argument(description="Which ones.")],
    ) -> RateCallsResult:
        caller, now = info.context.signed_in(), info.context.now
        rated = await resolve.rate(caller, info.context.redis, _wanted(info, input), now)
        return RatedCalls(
            calls=base.Long(rated.calls),
            charge=base.Money.of(rated.charge, rated.currency),
            left=base.Long(rated.left),
            go_on_from=rated.go_on_from,
        )

    @strawberry.mutation(
        description="Lets calls that no rate matched cost nothing, until `unwaiveCalls`. A"
        " correction that changes what rating depends on is rated anew. Staff."
    )
    async def waive_calls(
        self,
        info: base.Info,
        input: Annotated[WaiveCallsInput, strawberry.argument(description="Which ones.")],
    ) -> WaiveCallsResult:
        caller, context = info.context.signed_in(), info.context
        wanted, expected = _wanted(info, input), input.expected_calls
        waived = await resolve.waive(caller, context.redis, wanted, expected, context.now)
        return WaivedCalls(calls=base.Long(waived))

    @strawberry.mutation(
        description="Undoes `waiveCalls`: the calls are without a rate again, to be rated or"
        " waived. Staff."
    )
    async def unwaive_calls(
        self,
        info: base.Info,
        input: Annotated[UnwaiveCallsInput, strawberry.argument(description="Which ones.")],
    ) -> UnwaiveCallsResult:
        caller, context = info.context.signed_in(), info.context
        wanted, expected = _wanted(info, input), input.expected_calls
        unwaived = await resolve.unwaive(caller, context.redis, wanted, expected, context.now)
        return UnwaivedCalls(calls=base.Long(unwaived))


def _wanted(
    info: base.Info,
    asked: UnratedFilter | RateCallsInput | WaiveCallsInput | UnwaiveCallsInput | None,
) -> stored.Filter:
    if asked is None:
        return stored.Filter()
    customer_id = None
    if asked.customer_id is not None:
        account_id = info.context.signed_in().account_id
        customer_id = base.decode_id(asked.customer_id, "Customer", account_id)
    return stored.Filter(customer_id, resolve.digits(asked.destination), asked.from_, asked.to)
