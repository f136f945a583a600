"""Charges operations: their cost before they run, and work whose amount depends on the data."""

import math
from dataclasses import dataclass, field

from graphql import GraphQLError

from domain import budgets, refusals
from domain.identity import callers
from live import bucket
from schema.engine import errors


@dataclass(frozen=True, slots=True)
class Spending:
    """The budgets of callers, and the buckets that count them."""

    buckets: bucket.Buckets
    allowances: budgets.Allowances

    async def take(self, caller: callers.Caller, cost: int) -> bucket.SpendResult:
        charged_budgets = budgets.for_caller(caller, self.allowances)
        return await self.buckets.spend(caller.account_id, charged_budgets, cost)


@dataclass(slots=True)
class Bill:
    """The cost of one operation so far. Without `spending` or `payer`, no caller is charged.
    `reported` is the operation's `extensions.cost`."""

    spending: Spending | None = None
    payer: callers.Caller | None = None
    reported: dict[str, int | None] = field(default_factory=dict)

    async def charge(self, cost: int, limit: int) -> dict[str, int | None]:
        """Charges the operation and returns its `extensions.cost`. Refuses RATE_LIMITED."""
        self.reported = {"requested": 0, "limit": limit, "remaining": None}
        await self.charge_more(cost)
        return self.reported

    async def charge_more(self, cost: float) -> None:
        """Charges a running operation for work that depends on the data, before the work starts.
        Refuses RATE_LIMITED. The limit of an operation's cost does not apply."""
        requested, result = math.ceil(cost), bucket.SpendResult(None)
        if self.payer is not None and self.spending is not None:
            result = await self.spending.take(self.payer, requested)
        if result.wait_seconds:
            raise _rate_limited(requested, result)
        self.reported["requested"] = (self.reported.get("requested") or 0) + requested
        self.reported["remaining"] = result.remaining


def _rate_limited(requested: int, result: bucket.SpendResult) -> GraphQLError:
    seconds = math.ceil(result.wait_seconds)
    refusal = refusals.Refusal(
        "RATE_LIMITED",
        "The operation costs {requested}, and {remaining} is left of your budget. Send it again"
        " after {seconds} s, or request less.",
        requested=requested,
        remaining=result.remaining,
        seconds=seconds,
    )
    return errors.refusal_error(
        refusal,
        retryAfterSeconds=seconds,
        requested=requested,
        remaining=result.remaining,
        budget=None if result.decisive is None else result.decisive.kind,
    )
