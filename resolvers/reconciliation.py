"""The proof that records, rows, ledger and invoices agree, for who may see the bills."""

from datetime import datetime

from domain import callers
from domain import reconciliation as rules
from domain.refusals import Refusal
from models import reconciliation
from resolvers import access
from resolvers.access import Capability

MAX_DAYS = 366


async def proof(
    caller: callers.Caller, customer_id: int, start: datetime, end: datetime, now: datetime
) -> rules.Proof:
    access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    if (end - start).days > MAX_DAYS:
        raise Refusal("BAD_PERIOD", "Ask for at most {most} days at a time.", "to", most=MAX_DAYS)
    return await reconciliation.reconcile(caller.account_id, customer_id, start, end, now)
