"""The facts behind checklist conditions, the stored open items, and snoozes.

The account's own checklist is stored under customer 0.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain import facts
from domain.checklists import checklist_items, conditions
from models import db, fact_log
from models.checklists import checklist_sql

ACCOUNT = 0
MAX_BATCH = 500  # checklists settled in a transaction


async def customer_facts(
    account_id: int, customer_ids: Sequence[int], now: datetime
) -> dict[int, conditions.CustomerFacts]:
    """Facts of the existing customers among these, by id, in one statement."""
    async with db.connection() as conn:
        rows = await conn.fetch(checklist_sql.CUSTOMERS, account_id, list(customer_ids), now)
    return {row["id"]: _customer(row) for row in rows}


async def account_facts(account_id: int) -> conditions.AccountFacts:
    async with db.connection() as conn:
        return _account(
            await conn.fetchrow(
                checklist_sql.OF_ACCOUNT, account_id, conditions.MAX_COUNTED_RECORDS
            )
        )


async def owner_has_factor(account_id: int, staff_id: int) -> bool | None:
    """Whether the owner has a second factor; None if the person is not an owner."""
    async with db.connection() as conn:
        has_factor: bool | None = await conn.fetchval(checklist_sql.OWNER, account_id, staff_id)
    return has_factor


async def changed_checklists(
    account_id: int, now: datetime, among: Sequence[int] | None = None
) -> list[int]:
    """Customers whose open items differ from the stored ones, the account's own first: those
    `among` these, or all if None.

    Three statements, regardless of the number of customers.
    """
    async with db.connection() as conn:
        stored = {
            row["customer_id"]: row["open"]
            for row in await conn.fetch(checklist_sql.STORED, account_id, among)
        }
        current = await _open_items(conn, account_id, among, now)
    return [id for id, items in current.items() if items != json.loads(stored.get(id, "{}"))]


async def settle(account_id: int, customer_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Stores the open items of these customers and inserts a fact for each change.

    Returns the numbers of the facts in the account's stream by customer. Several callers may settle
    the same customers at once. Pass at most `MAX_BATCH` customers: until the commit, no other
    transaction inserts such a fact of the account.
    """
    ids = sorted(set(customer_ids))
    async with db.transaction() as conn:
        await conn.execute(checklist_sql.OPEN, account_id, ids)
        stored = {
            row["customer_id"]: row["open"]
            for row in await conn.fetch(checklist_sql.LOCK, account_id, ids)
        }
        # Read under the lock, so that the last fact has the last state.
        current = await _open_items(conn, account_id, ids, now)
        changes = {id: items for id, items in current.items() if items != json.loads(stored[id])}
        if not changes:
            return {}
        await conn.execute(
            checklist_sql.STORE, account_id, list(changes), list(map(json.dumps, changes.values()))
        )
        return await fact_log.insert_many(
            conn,
            account_id,
            facts.Kind.CHECKLIST_CHANGED,
            now,
            {id: {"open": items} for id, items in changes.items()},
        )


async def snooze(
    account_id: int, customer_id: int, login_id: int, code: str, until: datetime
) -> None:
    async with db.connection() as conn:
        await conn.execute(checklist_sql.SNOOZE, account_id, customer_id, login_id, code, until)


async def unsnooze(account_id: int, customer_id: int, login_id: int, code: str) -> None:
    async with db.connection() as conn:
        await conn.execute(checklist_sql.UNSNOOZE, account_id, customer_id, login_id, code)


async def remove_snoozes(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` snoozes that ended before then; returns the number."""
    return await db.delete_rows(checklist_sql.REMOVE_SNOOZES, account_id, before, limit)


async def active_snoozes(
    account_id: int, customer_ids: Sequence[int], login_id: int, now: datetime
) -> dict[int, dict[str, datetime]]:
    """Ends of the person's active snoozes, by customer, then by item code."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            checklist_sql.SNOOZED, account_id, list(customer_ids), login_id, now
        )
    until: dict[int, dict[str, datetime]] = {id: {} for id in customer_ids}
    for row in rows:
        until[row["customer_id"]][row["code"]] = row["until"]
    return until


async def _open_items(
    conn: db.Connection, account_id: int, ids: Sequence[int] | None, now: datetime
) -> dict[int, dict[str, int]]:
    """Open items of the existing customers among `ids`, in order; of all customers if None."""
    items = {}
    if ids is None or ACCOUNT in ids:
        row = await conn.fetchrow(
            checklist_sql.OF_ACCOUNT, account_id, conditions.MAX_COUNTED_RECORDS
        )
        items[ACCOUNT] = conditions.open_counts(checklist_items.ACCOUNT_ITEMS, _account(row))
    for row in await conn.fetch(checklist_sql.CUSTOMERS, account_id, ids, now):
        items[row["id"]] = conditions.open_counts(checklist_items.CUSTOMER_ITEMS, _customer(row))
    return items


def _customer(row: Any) -> conditions.CustomerFacts:
    return conditions.CustomerFacts(
        unverified_emails=row["unverified_emails"],
        unverified_mobiles=row["unverified_mobiles"],
        missing=tuple(column for column in conditions.PROFILE_COLUMNS if not row[column]),
        has_rate_card=row["has_rate_card"],
        overdue=row["overdue"],
        unrated_calls=row["unrated_calls"],
    )


def _account(row: Any) -> conditions.AccountFacts:
    return conditions.AccountFacts(**dict(row))
