"""What is told once and numbered: subscriptions that can be resumed from a number."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import alerts as alert_kinds
from domain import facts as domain
from resolvers import facts
from resolvers.access import Capability
from schema import alerts, base, billing

_HOW = (
    " Each once, in order, none missed, numbered consecutively in this stream and kept for good:"
    " after an interruption give the last number you have to `after`."
)
_CustomerId: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Of this customer; null: of all that the caller sees. The whole account's"
        " stream has numbers of its own."
    ),
]
_After: TypeAlias = Annotated[
    base.Long | None,
    strawberry.argument(
        description="The last number already known: what follows it is told first; 0: from the"
        " beginning; null: only what is new. A number not reached yet is refused as BAD_AFTER."
    ),
]


@strawberry.type
class _Fact:
    number: base.Long = strawberry.field(
        description="Its place in this stream: 1, 2, 3, … without a gap."
    )
    at: datetime = strawberry.field(description="When it happened.")


@strawberry.type(description="An invoice was issued.")
class InvoiceIssued(_Fact):
    invoice: billing.Invoice = strawberry.field(description="The invoice, as it is now.")


@strawberry.type(
    description="A customer, or the account itself, has other checklist items outstanding than"
    " before: its `checklist` says which. Told within 15 s, of what is done by this API at once."
)
class ChecklistChange(_Fact):
    customer_id: strawberry.ID | None = strawberry.field(
        description="Whose checklist it is; null: the account's own, told in its stream alone."
    )
    outstanding: base.Long = strawberry.field(
        description="How many items the customer (or the account) as a whole had outstanding then,"
        " whoever snoozed them. A verification is one item as long as any of its contacts (of the"
        " account's own: of its staff) has to do it; that one more or less of them has to is a"
        " change too."
    )


@strawberry.type(description="Something happened to an alert rule.")
class AlertEvent(_Fact):
    rule: alerts.AlertRule = strawberry.field(description="The rule, as it is now.")
    kind: alert_kinds.Kind = strawberry.field(description="What happened.")
    value: Decimal | None = strawberry.field(
        description="The reading by which it did, in the metric's unit. Null: the rule was removed,"
        " or it is a balance and not for the caller."
    )


@strawberry.type
class FactSubscription:
    @strawberry.subscription(
        description="Invoices as they are issued; for whoever sees invoices." + _HOW
    )
    async def invoice_issued(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[InvoiceIssued, None]:
        kind, capability = domain.Kind.INVOICE_ISSUED, Capability.SEE_BILLING
        return _invoices(info, await _stream(info, capability, kind, customer_id, after))

    @strawberry.subscription(
        description="Changes of what customers have to put right; for whoever sees customers."
        + _HOW
    )
    async def checklist_changed(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[ChecklistChange, None]:
        kind, capability = domain.Kind.CHECKLIST_CHANGED, Capability.SEE_CUSTOMERS
        return _checklists(info, await _stream(info, capability, kind, customer_id, after))

    @strawberry.subscription(
        description="Alerts as they are raised, repeated and cleared, within 15 s; for whoever sees"
        " alerts. Whoever sees one customer is told of rules about it alone." + _HOW
    )
    async def alert_events(
        self, info: base.Info, customer_id: _CustomerId = None, after: _After = None
    ) -> AsyncGenerator[AlertEvent, None]:
        kind, capability = domain.Kind.ALERT, Capability.SEE_ALERTS
        return _alerts(info, await _stream(info, capability, kind, customer_id, after))


async def _invoices(info: base.Info, stream: facts.Stream) -> AsyncGenerator[InvoiceIssued, None]:
    async with aclosing(facts.follow(info.context.bus, stream, facts.invoices_of)) as told:
        async for fact, invoice in told:
            info.context.push(fact.number)
            yield InvoiceIssued(
                number=fact.number,
                at=fact.at,
                invoice=billing.Invoice.of(stream.account_id, invoice),
            )


async def _checklists(
    info: base.Info, stream: facts.Stream
) -> AsyncGenerator[ChecklistChange, None]:
    async with aclosing(facts.follow(info.context.bus, stream, facts.open_items_of)) as told:
        async for fact, open_items in told:
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


async def _alerts(info: base.Info, stream: facts.Stream) -> AsyncGenerator[AlertEvent, None]:
    async with aclosing(facts.follow(info.context.bus, stream, facts.rules_of)) as told:
        async for fact, rule in told:
            info.context.push(fact.number)
            value = fact.detail["value"]
            yield AlertEvent(
                number=fact.number,
                at=fact.at,
                rule=alerts.AlertRule.of(rule),
                kind=alert_kinds.Kind(fact.detail["kind"]),
                value=None if value is None else alerts.shown(info, rule, Decimal(value)),
            )


async def _stream(
    info: base.Info,
    capability: Capability,
    kind: domain.Kind,
    customer_id: str | None,
    after: int | None,
) -> facts.Stream:
    """From the later of `after` and where the connection is resumed: a client that reconnects by
    itself repeats the first, and means the second."""
    context, caller = info.context, info.context.signed_in()
    customer = None
    if customer_id is not None:
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
    known = [number for number in (after, context.resume_after) if number is not None]
    stream = await facts.stream(caller, capability, kind, customer, max(known, default=None))
    context.begin(stream.after)
    return stream
