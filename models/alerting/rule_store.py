"""Alert rules, as staff create and change them. `alert_states` stores their states."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.alerting import alert_rules
from domain.alerting.evaluation import Level, Metric, Operator, Scope
from models import row_changes
from models.tables import AlertRule


async def insert(
    account_id: int,
    values: Mapping[str, Any],
    *,
    customer_id: int | None,
    carrier_id: int | None,
    now: datetime,
) -> AlertRule:
    """Inserts a rule. `values` are from `alert_rules.validate`."""
    return await AlertRule.create(
        account_id=account_id,
        customer_id=customer_id,
        carrier_id=carrier_id,
        created_at=now,
        **values,
    )


async def lock(account_id: int, rule_id: int) -> AlertRule | None:
    """Locks a rule in the open transaction; None if it does not exist or was removed."""
    rules = AlertRule.filter(account_id=account_id, id=rule_id, removed_at__isnull=True)
    return await rules.select_for_update().get_or_none()


async def change(
    account_id: int, rule_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[AlertRule] | None:
    """Changes a rule in the open transaction. Refuses CHANGED_MEANWHILE."""
    key = {"account_id": account_id, "id": rule_id}
    return await row_changes.change(AlertRule, key, values, expected_version)


async def remove(account_id: int, rule_id: int, now: datetime) -> None:
    await AlertRule.filter(account_id=account_id, id=rule_id).update(removed_at=now)


async def by_ids(account_id: int, rule_ids: Sequence[int]) -> dict[int, AlertRule]:
    """The account's rules with these ids, by id, including removed ones."""
    rules = await AlertRule.filter(account_id=account_id, id__in=list(set(rule_ids)))
    return {rule.id: rule for rule in rules}


async def page(
    account_id: int, customer_id: int | None, after: int | None, limit: int
) -> list[AlertRule]:
    """The rules of a customer or (None) of the account, by id, without removed ones."""
    rules = AlertRule.filter(account_id=account_id, id__gt=after or 0, removed_at__isnull=True)
    if customer_id is not None:
        rules = rules.filter(customer_id=customer_id)
    return await rules.order_by("id").limit(limit)


def definition_of(rule: AlertRule) -> alert_rules.RuleDefinition:
    return definition({name: getattr(rule, name) for name in AlertRule._meta.fields})


def definition(row: Mapping[str, Any]) -> alert_rules.RuleDefinition:
    """The definition in the columns of a stored rule."""
    recipients = row["recipients"]
    return alert_rules.RuleDefinition(
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
        recipients=alert_rules.load_recipients(
            json.loads(recipients) if isinstance(recipients, str) else recipients
        ),
    )


def scope(customer_id: int | None, carrier_id: int | None) -> Scope:
    if customer_id is not None:
        return Scope.CUSTOMER
    return Scope.ACCOUNT if carrier_id is None else Scope.CARRIER
