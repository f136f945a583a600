"""Alert rules: made, changed, tested and read, as the caller may.

Whoever sees one customer sees the rules about that customer, never those about the account or its
carriers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from domain import alert_rules, alerts, callers, facts, profiles, refusals
from domain.alert_rules import Recipient, Wanted
from domain.messages import Channel
from live import news, wake
from models import alert_history, carriers, db
from models import alert_rules as stored
from models import alerts as stored_alerts
from models.tables import AlertRule
from resolvers import access, audit, customers
from resolvers.access import Capability


async def create(
    caller: callers.Caller,
    wanted: Wanted,
    *,
    customer_id: int | None,
    carrier_id: int | None,
    now: datetime,
) -> AlertRule:
    """`wanted.scope` follows from whom it is about. NOT_FOUND, and what `alert_rules.checked`
    raises."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    if customer_id is not None and carrier_id is not None:
        raise refusals.Refusal(
            "BAD_SCOPE", "Name a customer or a carrier, not both; or neither.", "carrierId"
        )
    await _require_existing(caller.account_id, customer_id, carrier_id)
    scope = stored.scope(customer_id, carrier_id)
    values = alert_rules.checked(replace(wanted, scope=scope))
    async with db.transaction():
        rule = await stored.insert(
            caller.account_id, values, customer_id=customer_id, carrier_id=carrier_id, now=now
        )
        after = {**values, "customer_id": customer_id, "carrier_id": carrier_id}
        await _write(caller, "create", rule.id, now, after=_shown(after))
    return rule


async def update(
    caller: callers.Caller,
    rule_id: int,
    given: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> AlertRule:
    """Changes what is given alone. NOT_FOUND, CHANGED_MEANWHILE, and as `create`."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    changes = profiles.checked(alert_rules.CHANGES, given)
    async with db.transaction():
        row = await stored.locked(caller.account_id, rule_id)
        if row is None:
            raise refusals.no_such("AlertRule", "ruleId")
        wanted = alert_rules.checked(replace(stored.wanted_of(row), **changes))
        made = await stored.change(caller.account_id, rule_id, wanted, expected_version)
        assert made is not None  # it is locked
        if made.after:
            before, after = _shown(made.before), _shown(made.after)
            await _write(caller, "update", rule_id, now, before=before, after=after)
    return made.row


async def remove(caller: callers.Caller, redis: Redis, rule_id: int, now: datetime) -> AlertRule:
    """Ends its alert, of which nobody is sent a message. NOT_FOUND."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    async with db.transaction() as conn:
        row = await stored.locked(caller.account_id, rule_id)
        if row is None:
            raise refusals.no_such("AlertRule", "id")
        await _write(caller, "remove", rule_id, now, before={"title": row.title})
        told = await stored_alerts.end(conn, caller.account_id, rule_id, now)
        await stored.remove(caller.account_id, rule_id, now)
    if told is not None:
        kind = facts.Kind.ALERT
        await news.tell(redis, caller.account_id, told.customer_id, kind, told.number)
    row.update_from_dict({"removed_at": now, "raised_at": None})
    return row


async def test(
    caller: callers.Caller, redis: Redis, rule_id: int, now: datetime
) -> tuple[AlertRule, Sequence[Recipient]]:
    """Sends a marked message to each recipient of the rule, the way its alerts go. NOT_FOUND,
    NO_RECIPIENTS."""
    access.require_account(caller, Capability.MANAGE_ALERTS)
    async with db.transaction():
        row = await stored.locked(caller.account_id, rule_id)
        if row is None:
            raise refusals.no_such("AlertRule", "id")
        sent = await stored_alerts.send_test(caller.account_id, rule_id, now)
        if not sent:
            raise refusals.Refusal(
                "NO_RECIPIENTS", "The rule tells nobody; give it a recipient first.", "id"
            )
        await _write(caller, "test", rule_id, now)
    await wake.hint(redis, wake.For.MESSAGES)
    return row, sent


async def _require_existing(
    account_id: int, customer_id: int | None, carrier_id: int | None
) -> None:
    if customer_id is not None:
        await customers.existing(account_id, customer_id)
    if carrier_id is not None and not await carriers.many(account_id, [carrier_id]):
        raise refusals.no_such("Carrier", "carrierId")


async def _write(
    caller: callers.Caller,
    what: str,
    rule_id: int,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Of the account alone: a customer's contacts are not shown whom its alerts are sent to."""
    action, subject = f"alert_rule.{what}", f"alert_rule:{rule_id}"
    await audit.write(caller, action, subject, now, before=before, after=after)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """For the audit log; of recipients their addresses, of webhooks, whose paths are often secrets,
    the hosts."""
    shown = {name: value for name, value in values.items() if value is not None}
    if "recipients" in shown:
        shown["recipients"] = [_named(one) for one in alert_rules.recipients(shown["recipients"])]
    return shown


def _named(to: Recipient) -> str:
    return urlsplit(to.to).netloc if to.channel is Channel.WEBHOOK else to.to


# Reading -------------------------------------------------------------------------------------


async def page(
    caller: callers.Caller, customer_id: int | None, after: int | None, limit: int
) -> list[AlertRule]:
    """In order of their ids, of the customer or (None) all that the caller sees."""
    access.require(caller, Capability.SEE_ALERTS)
    scope = await _scope(caller, customer_id)
    return await stored.page(caller.account_id, scope, after, limit)


async def one(caller: callers.Caller, rule_id: int) -> AlertRule | None:
    """One that was removed too; None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_ALERTS)
    rule = (await stored.many(caller.account_id, [rule_id])).get(rule_id)
    return rule if rule is not None and _is_for(caller, rule) else None


async def history(
    caller: callers.Caller,
    customer_id: int | None,
    rule_id: int | None,
    before: int | None,
    limit: int,
) -> list[alert_history.Alert]:
    """Newest first, of the customer and the rule, or (None) of all that the caller sees."""
    access.require(caller, Capability.SEE_ALERTS)
    scope = await _scope(caller, customer_id)
    if rule_id is not None and await one(caller, rule_id) is None:
        raise refusals.no_such("AlertRule", "ruleId")
    return await alert_history.page(caller.account_id, scope, rule_id, before, limit)


async def _scope(caller: callers.Caller, customer_id: int | None) -> int | None:
    if customer_id is None:
        return caller.customer_id
    access.require_customer(caller, Capability.SEE_ALERTS, customer_id)
    await customers.existing(caller.account_id, customer_id)
    return customer_id


def _is_for(caller: callers.Caller, rule: AlertRule) -> bool:
    return caller.customer_id in (None, rule.customer_id)


def sees_values(caller: callers.Caller, rule: AlertRule) -> bool:
    """What a balance is, is for those who see balances."""
    is_balance = rule.metric == alerts.Metric.BALANCE
    return not is_balance or access.may(caller, Capability.SEE_BILLING)
