"""What the checklists' conditions look at, what was last told of them, and what is snoozed.

The account's own checklist is stored as that of customer 0.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain import checklist, checklist_items, facts
from models import checklist_sql as sql
from models import db
from models import facts as stored

ACCOUNT = 0
BATCH = 500  # checklists settled in a transaction


async def of_customers(
    account_id: int, customer_ids: Sequence[int], now: datetime
) -> dict[int, checklist.CustomerFacts]:
    """Of each of these customers that exists, by id, with all its contacts. One statement."""
    async with db.connection() as conn:
        rows = await conn.fetch(sql.CUSTOMERS, account_id, list(customer_ids), now)
    return {row["id"]: _customer(row) for row in rows}


async def of_account(account_id: int) -> checklist.AccountFacts:
    async with db.connection() as conn:
        return _account(await conn.fetchrow(sql.OF_ACCOUNT, account_id, checklist.COUNTED_TO))


async def owner_has_factor(account_id: int, staff_id: int) -> bool | None:
    """None where it is no owner."""
    async with db.connection() as conn:
        found: bool | None = await conn.fetchval(sql.OWNER, account_id, staff_id)
    return found


async def changed(account_id: int, now: datetime) -> list[int]:
    """Whose checklists have something else outstanding than was last told, the account's first.

    Two statements an account, however many customers it has.
    """
    async with db.connection() as conn:
        told = {row["customer_id"]: row["open"] for row in await conn.fetch(sql.TOLD, account_id)}
        found = await _open(conn, account_id, None, now)
    return [id for id, is_open in found.items() if is_open != json.loads(told.get(id, "{}"))]


async def settle(account_id: int, customer_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Stores what these have outstanding and inserts a fact for each that is not as it was told.

    By customer, the number of its fact in the account's stream. Many may settle the same at once.
    At most `BATCH` at a time: until the commit nobody else inserts such a fact of the account.
    """
    wanted = sorted(set(customer_ids))
    async with db.transaction() as conn:
        await conn.execute(sql.OPEN, account_id, wanted)
        told = {
            row["customer_id"]: row["open"]
            for row in await conn.fetch(sql.LOCK, account_id, wanted)
        }
        # Read under the lock, so that what is told last is what was read last.
        found = await _open(conn, account_id, wanted, now)
        news = {id: is_open for id, is_open in found.items() if is_open != json.loads(told[id])}
        if not news:
            return {}
        await conn.execute(
            sql.STORE, account_id, list(news), [json.dumps(one) for one in news.values()]
        )
        return await stored.insert_many(
            conn,
            account_id,
            facts.Kind.CHECKLIST_CHANGED,
            now,
            {id: {"open": is_open} for id, is_open in news.items()},
        )


async def snooze(
    account_id: int, customer_id: int, login_id: int, code: str, until: datetime
) -> None:
    async with db.connection() as conn:
        await conn.execute(sql.SNOOZE, account_id, customer_id, login_id, code, until)


async def unsnooze(account_id: int, customer_id: int, login_id: int, code: str) -> None:
    async with db.connection() as conn:
        await conn.execute(sql.UNSNOOZE, account_id, customer_id, login_id, code)


async def remove_snoozes(account_id: int, before: datetime, most: int) -> int:
    """Removes so many at most that were over before then; how many."""
    return await db.removed(sql.REMOVE_SNOOZES, account_id, before, most)


async def snoozed(
    account_id: int, customer_ids: Sequence[int], login_id: int, now: datetime
) -> dict[int, dict[str, datetime]]:
    """Until when the person does not want to see which items: by customer, then by code."""
    async with db.connection() as conn:
        rows = await conn.fetch(sql.SNOOZED, account_id, list(customer_ids), login_id, now)
    until: dict[int, dict[str, datetime]] = {id: {} for id in customer_ids}
    for row in rows:
        until[row["customer_id"]][row["code"]] = row["until"]
    return until


async def _open(
    conn: db.Connection, account_id: int, ids: Sequence[int] | None, now: datetime
) -> dict[int, dict[str, int]]:
    """What is open for each of these that there is, in order; for all where None."""
    found = {}
    if ids is None or ACCOUNT in ids:
        row = await conn.fetchrow(sql.OF_ACCOUNT, account_id, checklist.COUNTED_TO)
        found[ACCOUNT] = checklist.open_items(checklist_items.OF_ACCOUNT, _account(row))
    for row in await conn.fetch(sql.CUSTOMERS, account_id, ids, now):
        found[row["id"]] = checklist.open_items(checklist_items.OF_CUSTOMER, _customer(row))
    return found


def _customer(row: Any) -> checklist.CustomerFacts:
    return checklist.CustomerFacts(
        unverified_emails=row["unverified_emails"],
        unverified_mobiles=row["unverified_mobiles"],
        missing=tuple(column for column in checklist.PROFILE if not row[column]),
        has_rate_card=row["has_rate_card"],
        overdue=row["overdue"],
        unrated_calls=row["unrated_calls"],
    )


def _account(row: Any) -> checklist.AccountFacts:
    return checklist.AccountFacts(**dict(row))
