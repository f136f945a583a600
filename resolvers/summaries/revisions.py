"""The revisions of what is stored of a scope: a customer or (None) the account."""

from collections.abc import Sequence
from typing import TypeAlias

from models.summaries import revisions
from models.summaries.revisions import Revision as Revision
from models.summaries.revisions import Source as Source

Scope: TypeAlias = tuple[int, int | None]  # account, customer


async def of(scopes: Sequence[Scope]) -> list[Revision]:
    """The revisions of the scopes, in their order, with a statement for all customers."""
    customers: dict[int, list[int]] = {}
    for account_id, customer_id in scopes:
        if customer_id is not None:
            customers.setdefault(account_id, []).append(customer_id)
    by_scope: dict[Scope, Revision] = {}
    for account_id, ids in customers.items():
        by_id = await revisions.of_customers(account_id, ids)
        by_scope |= {(account_id, id): revision for id, revision in by_id.items()}
    for scope in scopes:
        if scope[1] is None:
            by_scope[scope] = await revisions.of_account(scope[0])
    return [by_scope[scope] for scope in scopes]
