"""Budgets for the cost of operations.

Each caller has its own limit below the account's. A part of the account's capacity is reserved for
staff and the billing system.
"""

from dataclasses import dataclass

from domain.identity import callers
from domain.identity.callers import Kind, Scope

ACCOUNT = "account"
MAX_COST = 40_000  # of one operation of a signed-in caller
_BILLING = {Scope.BILLING_READ, Scope.BILLING_WRITE}


@dataclass(frozen=True, slots=True)
class Allowance:
    """Cost: at most `capacity` at once, replenished by `per_second`."""

    capacity: int
    per_second: int


@dataclass(frozen=True, slots=True)
class Allowances:
    """`token`: of each API key and each staff login. `reserve`: the part of the account's capacity
    that only staff and billing keys may spend."""

    account: Allowance
    customer: Allowance
    token: Allowance
    reserve: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """A bucket that an operation spends from, down to `reserve`."""

    name: str
    allowance: Allowance
    reserve: int = 0

    @property
    def kind(self) -> str:
        """For programs: ACCOUNT, CUSTOMER, KEY or STAFF."""
        return self.name.partition(":")[0].upper()


def for_caller(caller: callers.Caller, of: Allowances) -> tuple[Budget, ...]:
    """All buckets that the caller's operations spend from, the account's last.

    Staff who are signed in as a contact spend from their own bucket. A caller without an `id` has
    no bucket of its own.
    """
    own: list[Budget] = []
    staff_id = caller.id if caller.kind is Kind.STAFF else caller.staff_id
    if staff_id is not None:
        own.append(Budget(f"staff:{staff_id}", of.token))
    elif caller.customer_id is not None:
        own.append(Budget(f"customer:{caller.customer_id}", of.customer))
    if caller.kind is Kind.KEY and caller.id is not None:
        own.append(Budget(f"key:{caller.id}", of.token))
    reserve = 0 if _may_spend_reserve(caller) else of.reserve
    return (*own, Budget(ACCOUNT, of.account, reserve))


def _may_spend_reserve(caller: callers.Caller) -> bool:
    if caller.kind is Kind.STAFF or caller.staff_id is not None:
        return True
    return caller.customer_id is None and bool(_BILLING & caller.scopes)
