"""The buckets that each kind of caller spends from."""

import pytest

from domain import budgets
from domain.budgets import Allowance, Allowances
from domain.identity.callers import Caller, Kind, Role, Scope

OF = Allowances(Allowance(1_000, 100), Allowance(500, 50), Allowance(300, 30), reserve=200)


def _names(caller: Caller) -> list[str]:
    return [budget.name for budget in budgets.for_caller(caller, OF)]


def _reserve(caller: Caller) -> int:
    return budgets.for_caller(caller, OF)[-1].reserve


CONTACT = Caller(1, Kind.CONTACT, 7, customer_id=4)
SUPPORT = Caller(1, Kind.CONTACT, 7, customer_id=4, staff_id=3)
STAFF = Caller(1, Kind.STAFF, 3, Role.FINANCE)


def _key(*scopes: Scope, customer_id: int | None = None, id: int | None = 9) -> Caller:
    return Caller(1, Kind.KEY, id, scopes=frozenset(scopes), customer_id=customer_id)


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (CONTACT, ["customer:4", "account"]),
        (SUPPORT, ["staff:3", "account"]),
        (STAFF, ["staff:3", "account"]),
        (_key(Scope.LIVE_READ), ["key:9", "account"]),
        (_key(Scope.LIVE_READ, customer_id=4), ["customer:4", "key:9", "account"]),
        (_key(Scope.LIVE_READ, id=None), ["account"]),
        (STAFF.without_identity(), ["account"]),
        (CONTACT.without_identity(), ["customer:4", "account"]),
    ],
)
def test_the_budget_of_each_caller_is_below_that_of_its_account(
    caller: Caller, names: list[str]
) -> None:
    assert _names(caller) == names


@pytest.mark.parametrize(
    ("caller", "reserve"),
    [
        (STAFF, 0),
        (SUPPORT, 0),
        (_key(Scope.BILLING_READ), 0),
        (_key(Scope.BILLING_WRITE, Scope.LIVE_READ), 0),
        (_key(Scope.BILLING_READ, customer_id=4), 200),
        (_key(Scope.LIVE_READ), 200),
        (CONTACT, 200),
    ],
)
def test_only_staff_and_billing_keys_can_spend_the_reserve(caller: Caller, reserve: int) -> None:
    assert _reserve(caller) == reserve


def test_a_budget_names_its_kind_for_programs() -> None:
    kinds = [budget.kind for budget in budgets.for_caller(_key(customer_id=4), OF)]
    assert kinds == ["CUSTOMER", "KEY", "ACCOUNT"]
