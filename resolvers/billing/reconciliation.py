"""The proof that records, rows, ledger and invoices agree, for callers that can access invoices."""

from datetime import datetime

from domain.billing import reconciliation_proof
from domain.identity import callers
from domain.refusals import Refusal
from models.billing import reconciliation
from models.summaries import summary_rows
from resolvers import access
from resolvers.access import Capability

MAX_DAYS = 366


async def records(caller: callers.Caller, customer_id: int, start: datetime, end: datetime) -> int:
    """The approximate number of records that the proof of the period reads."""
    _require(caller, customer_id, start, end)
    return await summary_rows.attempts(caller.account_id, customer_id, start, end)


async def proof(
    caller: callers.Caller, customer_id: int, start: datetime, end: datetime, now: datetime
) -> reconciliation_proof.Proof:
    _require(caller, customer_id, start, end)
    return await reconciliation.reconcile(caller.account_id, customer_id, start, end, now)


def _require(caller: callers.Caller, customer_id: int, start: datetime, end: datetime) -> None:
    access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    if (end - start).days > MAX_DAYS:
        raise Refusal(
            "BAD_PERIOD",
            "The period is longer than {most} days. Set a shorter period.",
            "to",
            most=MAX_DAYS,
        )
