"""Lists of calls of a customer, a carrier and the account, and single calls."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import strawberry

from domain.records import call_filters
from resolvers.access import Capability
from resolvers.records import call_list
from schema.directory import carriers
from schema.engine import base, extension, permissions
from schema.engine.documents import expensive, prices
from schema.engine.fragments import declarations
from schema.records import call_types

_MAX_CODES = 100
_MAX_CARRIERS = 100
# Filters that compare calls one by one, by the names of their Python and GraphQL fields.
_COMPARED = ("answered", "source", "destination", "carrier_ids", "sip_codes", "released_by")
_COMPARED_NAMES = ("answered", "source", "destination", "carrierIds", "sipCodes", "releasedBy")


@strawberry.input(
    description="Filter of calls. Null matches everything. Refused: BAD_RANGE, BAD_PREFIX, INVALID,"
    " NOT_FOUND."
)
class CallFilter:
    from_: datetime | None = strawberry.field(
        name="from",
        default=None,
        description="Only calls set up at this time or later. Null: from the first.",
    )
    to: datetime | None = strawberry.field(
        default=None, description="Only calls set up before this time. Null: to the last."
    )
    answered: bool | None = strawberry.field(
        default=None, description="Whether they have an answer time. Null: both."
    )
    source: str | None = strawberry.field(
        default=None,
        description="Only calls from numbers that start with these digits, 1 to"
        f" {call_filters.MAX_PREFIX_DIGITS}, with or without a plus sign. Null: all.",
    )
    destination: str | None = strawberry.field(
        default=None,
        description="Only calls to numbers that start with these digits, 1 to"
        f" {call_filters.MAX_PREFIX_DIGITS}, with or without a plus sign. Null: all.",
    )
    carrier_ids: list[strawberry.ID] | None = prices.list_field(
        "Only legs of these carriers. Null: all, and calls without a carrier; []: none.",
        limit=_MAX_CARRIERS,
        default=None,
    )
    sip_codes: list[int] | None = prices.list_field(
        "Only calls with one of these final SIP codes, 100 to 699. Null: all, and calls without a"
        " code; []: none.",
        limit=_MAX_CODES,
        default=None,
    )
    released_by: str | None = strawberry.field(
        default=None,
        description="Only calls that this party ended, as the switch reported it, such as `caller`."
        " Null: all.",
    )
    unrated: bool | None = strawberry.field(
        default=None,
        description="True: only answered calls that no rate matched. False: only the others. Null:"
        " both.",
    )
    call_id: str | None = strawberry.field(
        default=None,
        description="Only the call with this `callId` or `receivedCallId`. Found by index, without"
        " a range. Null: all.",
    )

    def to_rule(self, account_id: int) -> call_filters.Filter:
        """Refuses BAD_RANGE, BAD_PREFIX, INVALID."""
        carrier_ids = None
        if self.carrier_ids is not None:
            carrier_ids = [base.decode_id(id, "Carrier", account_id) for id in self.carrier_ids]
        return call_filters.Filter(
            start=self.from_,
            end=self.to,
            answered=self.answered,
            source=call_filters.digits(self.source, "source"),
            destination=call_filters.digits(self.destination, "destination"),
            carrier_ids=carrier_ids,
            sip_codes=self.sip_codes,
            released_by=self.released_by,
            unrated=self.unrated,
            call_id=self.call_id,
        )


@strawberry.type(
    description="A page of calls. It can have fewer than `first` calls, or none, although"
    " `pageInfo.hasNextPage` is true, if few calls match: continue with `pageInfo.endCursor`, which"
    " can be after the last edge."
)
class CallConnection(base.Connection[call_types.Call]):
    searched_back_to: datetime | None = permissions.open_field(
        description="All matching calls that were set up after this time are on this page or an"
        " earlier one. Null if the list ends with this page."
    )


FilterArgument: TypeAlias = Annotated[
    CallFilter | None, strawberry.argument(description="A filter. Null: all calls.")
]
_ABOUT = (
    "newest first, in the order of their setup. A record can appear as soon as it is acknowledged."
    f" With a filter, a page compares at most {call_list.MAX_COMPARED:,} calls, of at most"
    f" {call_list.MAX_SPANS} weeks with calls. Refused also: BUSY."
)
_PAGE, _COMPARISON = 150.0, 3_000.0


def _compares(_: object, *, filter: CallFilter | None = None, **more: object) -> bool:
    return filter is not None and (
        filter.unrated is False or any(getattr(filter, name) is not None for name in _COMPARED)
    )


def _work(arguments: prices.Arguments) -> float:
    filter_ = arguments.get("filter")
    if not isinstance(filter_, Mapping):
        return 0.0
    compares = filter_.get("unrated") is False or any(
        filter_.get(name) is not None for name in _COMPARED_NAMES
    )
    return _COMPARISON if compares else 0.0


async def _page(
    info: base.Info,
    scope: call_list.Scope,
    first: int,
    after: str | None,
    filter: CallFilter | None,
) -> CallConnection:
    caller, size = info.context.signed_in(), base.page_size(first)
    rule = call_filters.Filter() if filter is None else filter.to_rule(caller.account_id)
    before = base.decode_time_cursor(after)
    page = await call_list.page(caller, scope, rule, before, size, info.context.now)
    edges = [
        base.Edge(
            cursor=base.encode_time_cursor(*position),
            node=call_types.Call.of(scope.account_id, record),
        )
        for record, position in page.calls
    ]
    page_info = base.page_info(edges, after, has_next=page.rest is not None)
    if page.rest is not None:
        page_info.end_cursor = base.encode_time_cursor(*page.rest)
    return CallConnection(
        edges=edges,
        page_info=page_info,
        searched_back_to=None if page.rest is None else page.rest[0],
    )


_PRICE = prices.price(_PAGE, each=10, work=_work)
_DECLARED: dict[str, Any] = {"requires": Capability.SEE_CALLS, "metadata": _PRICE}


@strawberry.type
class HasCalls(base.Scoped):
    @permissions.field(
        description=f"The customer's calls, each by its final leg, {_ABOUT}",
        extensions=[expensive.Expensive(_compares)],
        **_DECLARED,
    )
    async def calls(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: FilterArgument = None,
    ) -> CallConnection | None:
        scope = call_list.Scope(self.account_id, customer_id=self.customer_id)
        return await _page(info, scope, first, after, filter)


@strawberry.type
class HasAccountCalls(base.Scoped):
    @permissions.field(
        whole_account=True,
        description=f"The calls of all customers, each by its final leg, {_ABOUT}",
        extensions=[expensive.Expensive(_compares)],
        **_DECLARED,
    )
    async def calls(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: FilterArgument = None,
    ) -> CallConnection | None:
        return await _page(info, call_list.Scope(self.account_id), first, after, filter)


async def _of_carrier(
    root: strawberry.Parent[carriers.Carrier],
    info: base.Info,
    first: base.First = 50,
    after: base.After = None,
    filter: FilterArgument = None,
) -> CallConnection | None:
    scope = call_list.Scope(root.row.account_id, carrier_id=root.row.id)
    return await _page(info, scope, first, after, filter)


@strawberry.type
class CallQuery:
    @permissions.field(
        requires=Capability.SEE_CALLS,
        description="A leg of a call. Null if it does not exist, is no longer stored, or the caller"
        " cannot access it. Callers of one customer can access final legs.",
    )
    async def call(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> call_types.Call | None:
        account_id = info.context.signed_in().account_id
        return await call_types.node(info, base.parts_of(id, "Call", account_id))


def install() -> None:
    """Adds `calls` to carriers, which are part of calls."""
    field = permissions.field(
        whole_account=True,
        resolver=_of_carrier,
        description=f"The legs that were offered to the carrier, {_ABOUT}",
        extensions=[expensive.Expensive()],
        requires=Capability.SEE_CALLS,
        # The list changes without a change of what shows the carrier.
        metadata={**_PRICE, **declarations.unstored()},
    )
    extension.add(carriers.Carrier, "calls", field)
