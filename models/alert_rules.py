"""Alert rules, as staff make and change them; what happens to them is in `models/alerts.py`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain import alert_rules
from domain.alerts import Level, Metric, Operator, Scope
from models import changes
from models.tables import AlertRule


async def insert(
    account_id: int,
    values: Mapping[str, Any],
    *,
    customer_id: int | None,
    carrier_id: int | None,
    now: datetime,
) -> AlertRule:
    """`values` are of `domain.alert_rules.checked`."""
    return await AlertRule.create(
        account_id=account_id,
        customer_id=customer_id,
        carrier_id=carrier_id,
        created_at=now,
        **values,
    )


async def locked(account_id: int, rule_id: int) -> AlertRule | None:
    """In the open transaction; None where there is none, or none any more."""
    rules = AlertRule.filter(account_id=account_id, id=rule_id, removed_at__isnull=True)
    return await rules.select_for_update().get_or_none()


async def change(
    account_id: int, rule_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[AlertRule] | None:
    """In the open transaction. CHANGED_MEANWHILE."""
    key = {"account_id": account_id, "id": rule_id}
    return await changes.change(AlertRule, key, wanted, expected_version)


async def remove(account_id: int, rule_id: int, now: datetime) -> None:
    await AlertRule.filter(account_id=account_id, id=rule_id).update(removed_at=now)


async def many(account_id: int, rule_ids: Sequence[int]) -> dict[int, AlertRule]:
    """The account's rules among these ids, by id; those too that are removed."""
    found = await AlertRule.filter(account_id=account_id, id__in=list(set(rule_ids)))
    return {rule.id: rule for rule in found}


async def page(
    account_id: int, customer_id: int | None, after: int | None, limit: int
) -> list[AlertRule]:
    """In order of their ids, of the customer or (None) all of them, but for those removed."""
    rules = AlertRule.filter(account_id=account_id, id__gt=after or 0, removed_at__isnull=True)
    if customer_id is not None:
        rules = rules.filter(customer_id=customer_id)
    return await rules.order_by("id").limit(limit)


def wanted_of(rule: AlertRule) -> alert_rules.Wanted:
    return wanted({name: getattr(rule, name) for name in AlertRule._meta.fields})


def wanted(row: Mapping[str, Any]) -> alert_rules.Wanted:
    """Of a stored rule's columns."""
    recipients = row["recipients"]
    return alert_rules.Wanted(
        title=row["title"],
        metric=Metric(row["metric"]),
        scope=scope(row["customer_id"], row["carrier_id"]),
        operator=Operator(row["operator"]),
        threshold=row["threshold"],
        reset_threshold=row["reset_threshold"],
        sample_minutes=row["sample_minutes"],
        minimum_sample=row["minimum_sample"],
        cool_down_seconds=row["cool_down_seconds"],
        repeat_seconds=row["repeat_seconds"],
        level=Level(row["level"]),
        recipients=alert_rules.recipients(
            json.loads(recipients) if isinstance(recipients, str) else recipients
        ),
    )


def scope(customer_id: int | None, carrier_id: int | None) -> Scope:
    if customer_id is not None:
        return Scope.CUSTOMER
    return Scope.ACCOUNT if carrier_id is None else Scope.CARRIER
