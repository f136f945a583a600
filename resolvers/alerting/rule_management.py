"""Alert rules: created, changed, tested and read, with the caller's permissions.

Callers that can access only one customer see the rules about that customer, never those about the
account or its carriers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from domain import facts, refusals
from domain.alerting import alert_rules
from domain.alerting.alert_rules import Recipient, RuleDefinition
from domain.directory import profiles
from domain.identity import callers
from domain.messaging.messages import Channel
from live import fact_signals
from models import db
from models.alerting import alert_history, alert_states, rule_store
from models.alerting.alert_history import Alert as Alert
from models.alerting.rule_store import definition_of as definition_of
from models.directory import carriers
from models.tables import AlertRule
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers


async def create(
    caller: callers.Caller,
    definition: RuleDefinition,
    *,
    customer_id: int | None,
    carrier_id: int | None,
    now: datetime,
) -> AlertRule:
    """The created rule. Its scope follows from the given customer or carrier. Refuses NOT_FOUND,
    and as `alert_rules.checked`."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    if customer_id is not None and carrier_id is not None:
        raise refusals.Refusal(
            "BAD_SCOPE", "Set a customer or a carrier, or neither, but not both.", "carrierId"
        )
    await _require_existing(caller.account_id, customer_id, carrier_id)
    scope = rule_store.scope(customer_id, carrier_id)
    values = alert_rules.validate(replace(definition, scope=scope))
    async with db.transaction():
        rule = await rule_store.insert(
            caller.account_id, values, customer_id=customer_id, carrier_id=carrier_id, now=now
        )
        after = {**values, "customer_id": customer_id, "carrier_id": carrier_id}
        await _write(caller, "create", rule.id, now, after=_shown(after))
    return rule


async def update(
    caller: callers.Caller,
    rule_id: int,
    fields: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> AlertRule:
    """Changes only the given values. Refuses NOT_FOUND, CHANGED_MEANWHILE, and as `create`."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    changes = profiles.validate(alert_rules.CHANGES, fields)
    async with db.transaction():
        row = await rule_store.lock(caller.account_id, rule_id)
        if row is None:
            raise refusals.not_found("AlertRule", "id")
        definition = alert_rules.validate(replace(rule_store.definition_of(row), **changes))
        result = await rule_store.change(caller.account_id, rule_id, definition, expected_version)
        assert result is not None  # it is locked
        if result.after:
            before, after = _shown(result.before), _shown(result.after)
            await _write(caller, "update", rule_id, now, before=before, after=after)
    return result.row


async def remove(caller: callers.Caller, redis: Redis, rule_id: int, now: datetime) -> AlertRule:
    """Removes the rule and ends its alert without notifications. Refuses NOT_FOUND."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    async with db.transaction() as conn:
        row = await rule_store.lock(caller.account_id, rule_id)
        if row is None:
            raise refusals.not_found("AlertRule", "id")
        await _write(caller, "remove", rule_id, now, before={"title": row.title})
        recipients = await alert_states.end_alert(conn, caller.account_id, rule_id, now)
        await rule_store.remove(caller.account_id, rule_id, now)
    if recipients is not None:
        kind = facts.Kind.ALERT
        await fact_signals.publish(
            redis, caller.account_id, recipients.customer_id, kind, recipients.number
        )
    row.update_from_dict({"removed_at": now, "raised_at": None})
    return row


async def test(
    caller: callers.Caller, rule_id: int, now: datetime
) -> tuple[AlertRule, Sequence[Recipient]]:
    """Sends a message marked as a test to each recipient, through the channels of its
    notifications. Refuses NOT_FOUND, NO_RECIPIENTS."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    async with db.transaction():
        row = await rule_store.lock(caller.account_id, rule_id)
        if row is None:
            raise refusals.not_found("AlertRule", "id")
        recipients = await alert_states.send_test(caller.account_id, rule_id, now)
        if not recipients:
            raise refusals.Refusal(
                "NO_RECIPIENTS", "The alert rule has no recipients. Add one first.", "id"
            )
        await _write(caller, "test", rule_id, now)
    return row, recipients


async def _require_existing(
    account_id: int, customer_id: int | None, carrier_id: int | None
) -> None:
    if customer_id is not None:
        await customers.existing(account_id, customer_id)
    if carrier_id is not None and not await carriers.by_ids(account_id, [carrier_id]):
        raise refusals.not_found("Carrier", "carrierId")


async def _write(
    caller: callers.Caller,
    audited_action: str,
    rule_id: int,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Of the account alone: a customer's contacts are not shown whom its alerts are sent to."""
    action, subject = f"alert_rule.{audited_action}", f"alert_rule:{rule_id}"
    await audit_entries.write(caller, action, subject, now, before=before, after=after)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """For the audit log; of recipients their addresses, of webhooks, whose paths are often secrets,
    the hosts."""
    visible = {name: value for name, value in values.items() if value is not None}
    if "recipients" in visible:
        visible["recipients"] = [
            _named(recipient) for recipient in alert_rules.load_recipients(visible["recipients"])
        ]
    return visible


def _named(to: Recipient) -> str:
    return urlsplit(to.to).netloc if to.channel is Channel.WEBHOOK else to.to


# Reading -------------------------------------------------------------------------------------


async def page(
    caller: callers.Caller, customer_id: int | None, after: int | None, limit: int
) -> list[AlertRule]:
    """Rules in order of their ids, of the customer or (None) of all that the caller can access."""
    access.require(caller, Capability.SEE_ALERTS)
    scope = await _scope(caller, customer_id)
    return await rule_store.page(caller.account_id, scope, after, limit)


async def find(caller: callers.Caller, rule_id: int) -> AlertRule | None:
    """A rule, also a removed one. None if it does not exist or the caller cannot access it."""
    access.require(caller, Capability.SEE_ALERTS)
    rule = (await rule_store.by_ids(caller.account_id, [rule_id])).get(rule_id)
    return rule if rule is not None and _is_for(caller, rule) else None


async def rows(keys: Sequence[tuple[int, int]]) -> list[AlertRule]:
    """The rules of foreign keys (account, rule), all of one account."""
    rules = await rule_store.by_ids(keys[0][0], [rule_id for _, rule_id in keys])
    return [rules[rule_id] for _, rule_id in keys]


async def history(
    caller: callers.Caller,
    customer_id: int | None,
    rule_id: int | None,
    before: int | None,
    limit: int,
) -> list[alert_history.Alert]:
    """Alerts, newest first, of the customer and rule, or (None) of all that the caller can see."""
    access.require(caller, Capability.SEE_ALERTS)
    scope = await _scope(caller, customer_id)
    if rule_id is not None and await find(caller, rule_id) is None:
        raise refusals.not_found("AlertRule", "ruleId")
    return await alert_history.page(caller.account_id, scope, rule_id, before, limit)


async def _scope(caller: callers.Caller, customer_id: int | None) -> int | None:
    if customer_id is None:
        return caller.customer_id
    access.require_customer(caller, Capability.SEE_ALERTS, customer_id)
    await customers.existing(caller.account_id, customer_id)
    return customer_id


def _is_for(caller: callers.Caller, rule: AlertRule) -> bool:
    return access.sees_customer(caller, rule.customer_id)
