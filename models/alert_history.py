"""The times that rules were raised: kept for good."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models import db


@dataclass(frozen=True, slots=True)
class Alert:
    """`cleared_at` None: it still is raised; `cleared_value` None: then too, and where the rule was
    removed."""

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
    """Newest first, those before that id: of the customer, of the rule, or (None) of any."""
    given = {"customer_id = ": customer_id, "rule_id = ": rule_id, "id < ": before}
    known = {condition: value for condition, value in given.items() if value is not None}
    conditions = [f"{condition}${number}" for number, condition in enumerate(known, 2)]
    where = " AND ".join(["account_id = $1", *conditions])
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, rule_id, customer_id, raised_at, raised_value, cleared_at, cleared_value"
            f" FROM alerts WHERE {where} ORDER BY id DESC LIMIT {limit}",
            account_id,
            *known.values(),
        )
    return [Alert(**row) for row in rows]
