"""Calls without a rate: listing, rating and waiving."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.records import call_filters
from resolvers.access import Capability
from resolvers.records import unrated_calls
from schema.engine import base, permissions
from schema.engine.documents import expensive
from schema.records.call_records import CallRecord

_FROM = "Only calls set up at this time or later. Null: from the first."
_TO = "Only calls set up before this time. Null: to the last."
_DESTINATION = "Only calls to numbers that start with these digits. Null: all."


@strawberry.input(description="Filter of calls. Null matches everything.")
class UnratedFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only this customer."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="The calls to rate.")
class RateCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="The calls to waive.")
class WaiveCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    expected_calls: base.Long = strawberry.field(
        description=f"Expected number of such calls, 1 to {unrated_calls.MAX_CALLS:,}. Refused with"
        " CHANGED_MEANWHILE if it differs."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)


@strawberry.input(description="The waived calls to set back to calls without a rate.")
class UnwaiveCallsInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer that made the calls.")
    expected_calls: base.Long = strawberry.field(
        description=f"Expected number of such calls, 1 to {unrated_calls.MAX_CALLS:,}. Refused with"
        " CHANGED_MEANWHILE if it differs."
    )
    from_: datetime = strawberry.field(
        name="from", description="Calls set up at this time or later."
    )
    to: datetime = strawberry.field(
        description="Calls set up before this time, at most 31 days after `from`."
    )
    destination: str | None = strawberry.field(default=None, description=_DESTINATION)


@permissions.open_type
@strawberry.type(description="The result of rating calls without a rate.")
class RatedCalls:
    calls: base.Long = strawberry.field(description="Number of calls that now have a rate.")
    charge: base.Money = strawberry.field(description="Total charge of these calls.")
    left: base.Long = strawberry.field(
        description="Number of processed calls that still have no rate."
    )
    go_on_from: datetime | None = strawberry.field(
        description="Pass it as `from` to continue. Null if all calls were processed."
    )


@permissions.open_type
@strawberry.type(description="Waived calls.")
class WaivedCalls:
    calls: base.Long = strawberry.field(description="Number of calls.")


@permissions.open_type
@strawberry.type(description="Waived calls that are without a rate again.")
class UnwaivedCalls:
    calls: base.Long = strawberry.field(description="Number of calls.")


RateCallsResult: TypeAlias = Annotated[
    RatedCalls | base.Refused,
    strawberry.union("RateCallsResult", description="The result of the rating, or a refusal."),
]
WaiveCallsResult: TypeAlias = Annotated[
    WaivedCalls | base.Refused,
    strawberry.union("WaiveCallsResult", description="The number of calls, or a refusal."),
]

UnwaiveCallsResult: TypeAlias = Annotated[
    UnwaivedCalls | base.Refused,
    strawberry.union("UnwaiveCallsResult", description="The number of calls, or a refusal."),
]


@strawberry.type
class UnratedQuery:
    @permissions.field(
        requires=Capability.RATE_CALLS,
        whole_account=True,
        description=(
            "Answered calls that no rate matched, newest first. They cannot be invoiced until"
            " they are rated or waived. Refused: BUSY."
        ),
        extensions=[expensive.Expensive()],
    )
    async def unrated_calls(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            UnratedFilter | None, strawberry.argument(description="A filter. Null: all.")
        ] = None,
    ) -> base.Connection[CallRecord] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        place = base.decode_time_cursor(after)
        rows = await unrated_calls.page(caller, _wanted(info, filter), place, size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda row: base.encode_time_cursor(*row[1]),
            lambda row: CallRecord.of(caller.account_id, row[0]),
        )


@strawberry.type
class UnratedMutation:
    @permissions.mutation(
        requires=Capability.RATE_CALLS,
        description="Rates calls that no rate matched, with the rates of the customer's card at the"
        f" time of their setup. At most {unrated_calls.MAX_CALLS:,} calls at a time, earliest"
        " first.",
    )
    async def rate_calls(
        self,
        info: base.Info,
        input: Annotated[RateCallsInput, strawberry.argument(description="The calls.")],
    ) -> RateCallsResult:
        caller, now = info.context.signed_in(), info.context.now
        rated = await unrated_calls.rate(caller, _wanted(info, input), now)
        return RatedCalls(
            calls=base.Long(rated.calls),
            charge=base.Money.of(rated.charge, rated.currency),
            left=base.Long(rated.left),
            go_on_from=rated.go_on_from,
        )

    @permissions.mutation(
        requires=Capability.RATE_CALLS,
        description=(
            "Sets the charge of calls that no rate matched to 0, until `unwaiveCalls`. A later"
            " correction is rated again if it changes the customer, destination or times."
        ),
    )
    async def waive_calls(
        self,
        info: base.Info,
        input: Annotated[WaiveCallsInput, strawberry.argument(description="The calls.")],
    ) -> WaiveCallsResult:
        caller, context = info.context.signed_in(), info.context
        filter_of_input, expected = _wanted(info, input), input.expected_calls
        waived = await unrated_calls.waive(caller, filter_of_input, expected, context.now)
        return WaivedCalls(calls=base.Long(waived))

    @permissions.mutation(
        requires=Capability.RATE_CALLS,
        description=(
            "Undoes `waiveCalls`: the calls are again without a rate and have to be rated or"
            " waived."
        ),
    )
    async def unwaive_calls(
        self,
        info: base.Info,
        input: Annotated[UnwaiveCallsInput, strawberry.argument(description="The calls.")],
    ) -> UnwaiveCallsResult:
        caller, context = info.context.signed_in(), info.context
        filter_of_input, expected = _wanted(info, input), input.expected_calls
        unwaived = await unrated_calls.unwaive(caller, filter_of_input, expected, context.now)
        return UnwaivedCalls(calls=base.Long(unwaived))


def _wanted(
    info: base.Info,
    input_filter: UnratedFilter | RateCallsInput | WaiveCallsInput | UnwaiveCallsInput | None,
) -> unrated_calls.Filter:
    if input_filter is None:
        return unrated_calls.Filter()
    customer_id = None
    if input_filter.customer_id is not None:
        account_id = info.context.signed_in().account_id
        customer_id = base.decode_id(input_filter.customer_id, "Customer", account_id)
    return unrated_calls.Filter(
        customer_id,
        call_filters.digits(input_filter.destination, "destination"),
        input_filter.from_,
        input_filter.to,
    )
