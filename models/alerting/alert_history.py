"""Alerts: the occasions on which a rule was raised. They are stored permanently."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models import db


@dataclass(frozen=True, slots=True)
class Alert:
    """`cleared_at` and `cleared_value` are None while it is raised.

    `cleared_value` is also None if the rule was removed.
    """

    id: int
    rule_id: int
    customer_id: int | None
    raised_at: datetime
    raised_value: Decimal
    cleared_at: datetime | None
    cleared_value: Decimal | None


async def page(
    account_id: int,
    customer_id: int | None,
    rule_id: int | None,
    before: int | None,
    limit: int,
) -> list[Alert]:
    """The alerts of a customer and of a rule (None: of all), before an id, newest first."""
    filters = {"customer_id = ": customer_id, "rule_id = ": rule_id, "id < ": before}
    active = {condition: value for condition, value in filters.items() if value is not None}
    conditions = [f"{condition}${number}" for number, condition in enumerate(active, 2)]
    where = " AND ".join(["account_id = $1", *conditions])
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, rule_id, customer_id, raised_at, raised_value, cleared_at, cleared_value"
            f" FROM alerts WHERE {where} ORDER BY id DESC LIMIT {limit}",
            account_id,
            *active.values(),
        )
    return [Alert(**row) for row in rows]
