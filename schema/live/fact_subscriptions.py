"""Subscriptions to numbered facts, which can be resumed from a number."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import facts
from domain.alerting import evaluation
from resolvers.access import Capability
from resolvers.live import fact_feed
from schema.alerting import alert_types
from schema.billing import invoice_types
from schema.engine import base, permissions

_HOW = (
    " Every event exactly once and in order, numbered consecutively in this stream and stored"
    " permanently. After an interruption, pass the last number that you received as `after`."
)
_CustomerId: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description=(
            "Only this customer. Null: all customers that the caller can access. The whole"
            " account's stream has its own numbers."
        )
    ),
]
_After: TypeAlias = Annotated[
    base.Long | None,
    strawberry.argument(
        description=(
            "The last number that you received; first sends the events after it. 0: from the"
            " beginning. Null: only new events. Refused: BAD_AFTER if the stream has not reached"
            " the number."
        )
    ),
]


@permissions.open_type
@strawberry.type
class _Fact:
    number: base.Long = strawberry.field(
        description="Position in this stream: 1, 2, 3, … without gaps."
    )
    at: datetime = strawberry.field(description="When it happened.")


@permissions.open_type
@strawberry.type(description="An invoice was issued.")
class InvoiceIssued(_Fact):
    invoice: invoice_types.Invoice = strawberry.field(
        description="The invoice in its present state."
    )


@permissions.open_type
@strawberry.type(
    description=(
        "The outstanding checklist items of a customer, or of the account itself, have changed:"
        " query its `checklist`. Sent at once after a change by this API, otherwise within 15 s."
    )
)
class ChecklistChange(_Fact):
    customer_id: strawberry.ID | None = strawberry.field(
        description=(
            "The customer of the checklist. Null for the account's own, which only the account's"
            " stream contains."
        )
    )
    outstanding: base.Long = strawberry.field(
        description=(
            "Number of items that the customer (or the account) as a whole had outstanding at"
            " that time, snoozed or not. A verification is one item while any contact (or, for"
            " the account, any staff) has to do it. It is also a change if the number of these"
            " people changes."
        )
    )


@strawberry.type(description="An event of an alert rule.")
class AlertEvent(_Fact):
    rule: alert_types.AlertRule = permissions.open_field(
        description="The rule in its present state."
    )
    kind: evaluation.Kind = permissions.open_field(description="What happened.")
    value: Decimal | None = alert_types.value_field(
        description="Value of the metric, in its unit. Null if the rule was removed.",
        is_balance=lambda event, _: alert_types.measures_balance(event.rule.row),
    )


@strawberry.type
class FactSubscription:
    @permissions.subscription(
        requires=Capability.SEE_BILLING,
        description="Invoices as they are issued." + _HOW,
    )
    async def invoice_issued(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[InvoiceIssued, None]:
        kind = facts.Kind.INVOICE_ISSUED
        return _invoices(info, await _stream(info, kind, customer_id, after))

    @permissions.subscription(
        requires=Capability.SEE_CUSTOMERS,
        description="Changes of the outstanding checklist items." + _HOW,
    )
    async def checklist_changed(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[ChecklistChange, None]:
        kind = facts.Kind.CHECKLIST_CHANGED
        return _checklists(info, await _stream(info, kind, customer_id, after))

    @permissions.subscription(
        requires=Capability.SEE_ALERTS,
        description="Alert events (raised, repeated, cleared), within 15 s. Callers that can access"
        " only one customer receive only events of its rules." + _HOW,
    )
    async def alert_events(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[AlertEvent, None]:
        return _alerts(info, await _stream(info, facts.Kind.ALERT, customer_id, after))


async def _invoices(
    info: base.Info, stream: fact_feed.Stream
) -> AsyncGenerator[InvoiceIssued, None]:
    async with aclosing(
        fact_feed.follow(info.context.services.bus, stream, fact_feed.invoices_of)
    ) as events:
        async for fact, invoice in events:
            info.context.push(fact.number)
            yield InvoiceIssued(
                number=fact.number,
                at=fact.at,
                invoice=invoice_types.Invoice.of(stream.account_id, invoice),
            )


async def _checklists(
    info: base.Info, stream: fact_feed.Stream
) -> AsyncGenerator[ChecklistChange, None]:
    async with aclosing(
        fact_feed.follow(info.context.services.bus, stream, fact_feed.open_items_of)
    ) as events:
        async for fact, open_items in events:
            info.context.push(fact.number)
            yield ChecklistChange(
                number=fact.number,
                at=fact.at,
                customer_id=(
                    None
                    if fact.customer_id is None
                    else base.encode_id("Customer", stream.account_id, fact.customer_id)
                ),
                outstanding=len(open_items),
            )


async def _alerts(info: base.Info, stream: fact_feed.Stream) -> AsyncGenerator[AlertEvent, None]:
    async with aclosing(
        fact_feed.follow(info.context.services.bus, stream, fact_feed.rules_of)
    ) as events:
        async for fact, rule in events:
            info.context.push(fact.number)
            value = fact.detail["value"]
            yield AlertEvent(
                number=fact.number,
                at=fact.at,
                rule=alert_types.AlertRule.of(rule),
                kind=evaluation.Kind(fact.detail["kind"]),
                value=None if value is None else Decimal(value),
            )


async def _stream(
    info: base.Info,
    kind: facts.Kind,
    customer_id: str | None,
    after: int | None,
) -> fact_feed.Stream:
    """Starts at the later of `after` and the resume point of the connection: a client that
    reconnects automatically repeats the first and means the second."""
    context, caller = info.context, info.context.signed_in()
    customer = None
    if customer_id is not None:
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
    numbers = [number for number in (after, context.progress.resume_after) if number is not None]
    stream = await fact_feed.stream(caller, kind, customer, max(numbers, default=None))
    context.start_from(stream.after)
    return stream
