"""The proof: sums of records, rows, ledger and invoices beside each other."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain import reconciliation as rules
from resolvers import reconciliation as resolve
from schema import base

strawberry.enum(
    rules.Reason,
    name="PendingReason",
    description="Why an hour is not settled yet. MARKED: records came since it was summed. OPEN:"
    " not over, or not posted to the ledger yet. ADJUSTMENT_PENDING: its charge changed since it"
    " was billed. NOT_INVOICED: it has calls, and no issued invoice bills it.",
)


@strawberry.type(description="Calls and their charge.")
class CallSums:
    calls: base.Long = strawberry.field(description="Attempts, answered or not.")
    charge: base.Money = strawberry.field(description="What the customer pays, before tax, exact.")

    @classmethod
    def of(cls, sums: rules.Sums, currency: str) -> "CallSums":
        return cls(calls=base.Long(sums.calls), charge=base.Money.of(sums.charge, currency))


@strawberry.type(description="A charge.")
class ChargeSum:
    charge: base.Money = strawberry.field(description="What the customer pays, before tax, exact.")


@strawberry.type(description="An hour that is not settled yet, which is no difference.")
class PendingHour:
    hour: datetime = strawberry.field(description="Its start.")
    reason: rules.Reason = strawberry.field(description="The first reason that holds.")


@strawberry.type(description="Something that does not agree and has to be looked into.")
class ReconciliationDifference:
    hour: datetime = strawberry.field(description="Start of the hour in which it shows.")
    detail: str = strawberry.field(description="What does not agree with what.")


@strawberry.type(
    description="Reconciled: records = rows = ledger in every hour without a mark, and last billed"
    " + pending adjustment = row in every invoiced hour. All is read in one snapshot."
)
class Reconciliation:
    balanced: bool = strawberry.field(description="Whether there is no difference.")
    records: CallSums = strawberry.field(description="Of the call records (final legs).")
    rows: CallSums = strawberry.field(description="Of the summary's rows.")
    ledger: ChargeSum = strawberry.field(description="Posted for the period's hours.")
    invoiced: ChargeSum = strawberry.field(
        description="As last billed for the period's hours, adjustments included."
    )
    pending: list[PendingHour] = strawberry.field(description="Hours not settled yet, in order.")
    differences: list[ReconciliationDifference] = strawberry.field(
        description="What does not agree, in order of the hours; empty where balanced."
    )
    frozen_hours: base.Long = strawberry.field(
        description="Hours that can no longer change, because their records are no longer kept:"
        " in the rows, not in the records. Records that are there all the same and differ from the"
        " rows are a difference."
    )

    @classmethod
    def of(cls, proof: rules.Proof, context: base.Context) -> "Reconciliation":
        return cls(
            balanced=proof.balanced,
            records=CallSums.of(proof.records, proof.currency),
            rows=CallSums.of(proof.rows, proof.currency),
            ledger=ChargeSum(charge=base.Money.of(proof.ledger, proof.currency)),
            invoiced=ChargeSum(charge=base.Money.of(proof.invoiced, proof.currency)),
            pending=[PendingHour(hour=one.hour, reason=one.reason) for one in proof.pending],
            differences=[
                ReconciliationDifference(hour=one.hour, detail=context.say(one.detail))
                for one in proof.differences
            ],
            frozen_hours=base.Long(proof.frozen_hours),
        )


@strawberry.type
class ReconciliationQuery:
    @strawberry.field(
        description="Proves that a customer's records, rows, ledger and invoices agree."
        f" Whole UTC hours, at most {resolve.MAX_DAYS} days."
    )
    async def reconciliation(
        self,
        info: base.Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Whose.")],
        from_: Annotated[
            datetime,
            strawberry.argument(name="from", description="First hour, inclusive."),
        ],
        to: Annotated[datetime, strawberry.argument(description="End, exclusive.")],
    ) -> Reconciliation:
        caller = info.context.signed_in()
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
        proof = await resolve.proof(caller, customer, from_, to, info.context.now)
        return Reconciliation.of(proof, info.context)
