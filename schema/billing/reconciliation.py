"""The proof: compares the sums of records, rows, ledger and invoices."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.billing import reconciliation_proof
from resolvers.access import Capability
from resolvers.billing import reconciliation
from schema.engine import base, customer_ids, permissions
from schema.engine.documents import expensive, prices

strawberry.enum(
    reconciliation_proof.Reason,
    name="PendingReason",
    description=(
        "Why an hour is not yet settled. MARKED: records arrived since it was aggregated. OPEN:"
        " it has not ended or is not yet posted to the ledger. ADJUSTMENT_PENDING: its charge"
        " changed since it was billed. NOT_INVOICED: it has calls, but no issued invoice bills"
        " it."
    ),
)


@permissions.open_type
@strawberry.type(description="Number of calls and their charge.")
class CallSums:
    calls: base.Long = strawberry.field(description="Number of attempts, answered or not.")
    charge: base.Money = strawberry.field(description="What the customer pays, before tax, exact.")

    @classmethod
    def of(cls, sums: reconciliation_proof.Sums, currency: str) -> "CallSums":
        return cls(calls=base.Long(sums.calls), charge=base.Money.of(sums.charge, currency))


@permissions.open_type
@strawberry.type(description="A charge.")
class ChargeSum:
    charge: base.Money = strawberry.field(description="What the customer pays, before tax, exact.")


@permissions.open_type
@strawberry.type(description="An hour that is not yet settled. It does not count as a difference.")
class PendingHour:
    hour: datetime = strawberry.field(description="Start of the hour.")
    reason: reconciliation_proof.Reason = strawberry.field(
        description="The first reason that holds."
    )


@permissions.open_type
@strawberry.type(description="A difference that has to be investigated.")
class ReconciliationDifference:
    hour: datetime = strawberry.field(description="Start of the hour with the difference.")
    detail: str = strawberry.field(description="The values that differ.")


@permissions.open_type
@strawberry.type(
    description=(
        "The proof that the data agrees: records = rows = ledger in every hour that is not"
        " marked, and last billed + pending adjustment = row in every invoiced hour. All data is"
        " read in one snapshot."
    )
)
class Reconciliation:
    balanced: bool = strawberry.field(description="Whether there is no difference.")
    records: CallSums = strawberry.field(description="Sum of the call records (final legs).")
    rows: CallSums = strawberry.field(description="Sum of the summary rows.")
    ledger: ChargeSum = strawberry.field(
        description="Sum that the ledger has for the hours of the period."
    )
    invoiced: ChargeSum = strawberry.field(
        description="Sum last billed for the hours of the period, including adjustments."
    )
    pending: list[PendingHour] = strawberry.field(
        description="Hours that are not yet settled, in order."
    )
    differences: list[ReconciliationDifference] = strawberry.field(
        description="Differences in order of their hours. Empty if balanced."
    )
    frozen_hours: base.Long = strawberry.field(
        description=(
            "Number of hours that cannot change because their records are no longer stored. They"
            " are included in the rows, but not in the records. If they still have records,"
            " these have to agree with the rows."
        )
    )

    @classmethod
    def of(cls, proof: reconciliation_proof.Proof, context: base.Context) -> "Reconciliation":
        return cls(
            balanced=proof.is_balanced,
            records=CallSums.of(proof.records, proof.currency),
            rows=CallSums.of(proof.rows, proof.currency),
            ledger=ChargeSum(charge=base.Money.of(proof.ledger, proof.currency)),
            invoiced=ChargeSum(charge=base.Money.of(proof.invoiced, proof.currency)),
            pending=[PendingHour(hour=hour.hour, reason=hour.reason) for hour in proof.pending],
            differences=[
                ReconciliationDifference(hour=hour.hour, detail=context.say(hour.detail))
                for hour in proof.differences
            ],
            frozen_hours=base.Long(proof.frozen_hours),
        )


_RECORD_COST = 0.95  # of reading a record


def _hours(arguments: prices.Arguments) -> float:
    return prices.hours(arguments) * 0.5


@strawberry.type
class ReconciliationQuery:
    @permissions.field(
        requires=Capability.SEE_BILLING,
        description="Proves that the records, summary rows, ledger and invoices of a customer"
        f" agree. Covers whole UTC hours, at most {reconciliation.MAX_DAYS} days. The cost"
        " increases with the hours and records of the period. Refused: BUSY.",
        metadata=prices.price(700, work=_hours),
        extensions=[expensive.Expensive()],
    )
    async def reconciliation(
        self,
        info: base.Info,
        from_: Annotated[
            datetime,
            strawberry.argument(name="from", description="Start of the first hour, inclusive."),
        ],
        to: Annotated[datetime, strawberry.argument(description="End, exclusive.")],
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description=f"The customer. {customer_ids.LEFT_OUT}"),
        ] = None,
    ) -> Reconciliation | None:
        caller = info.context.signed_in()
        customer = customer_ids.required(caller, customer_id)
        records = await reconciliation.records(caller, customer, from_, to)
        await info.context.bill.charge_more(records * _RECORD_COST)
        proof = await reconciliation.proof(caller, customer, from_, to, info.context.now)
        return Reconciliation.of(proof, info.context)
