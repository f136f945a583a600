"""Active alert rules and their states: each reading is applied in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import facts
from domain.alerting import alert_messages, alert_rules, evaluation
from domain.alerting.alert_messages import AlertEvent, RuleDescription
from domain.alerting.evaluation import Metric, State
from domain.messaging import messages
from models import db, fact_log
from models.alerting import rule_store
from models.messaging import outbox

_RULE = """
    r.account_id, r.id, r.title, r.metric, r.customer_id, r.carrier_id, r.operator, r.threshold,
    r.reset_threshold, r.sample_minutes, r.minimum_sample, r.cool_down_seconds, r.repeat_seconds,
    r.level, r.recipients, r.version, r.raised_at, r.is_told, r.told_at, r.changed_at
"""
_ACCOUNTS = "SELECT DISTINCT account_id FROM alert_rules WHERE removed_at IS NULL"
_ACTIVE = f"SELECT {_RULE} FROM alert_rules r WHERE account_id = $1 AND removed_at IS NULL"
_LOCKED = f"""
SELECT {_RULE}, coalesce(c.name, p.name, a.name) AS subject,
       coalesce(c.reference, p.reference) AS reference, coalesce(c.currency, '') AS currency
FROM alert_rules r
JOIN accounts a ON a.id = r.account_id
LEFT JOIN customers c ON c.account_id = $1 AND c.id = r.customer_id
LEFT JOIN carriers p ON p.account_id = $1 AND p.id = r.carrier_id
WHERE r.account_id = $1 AND r.id = $2 AND r.removed_at IS NULL
FOR UPDATE OF r
"""
_STORE_STATE = """
UPDATE alert_rules SET raised_at = $3, is_told = $4, told_at = $5, changed_at = $6
WHERE account_id = $1 AND id = $2
"""
_RAISE = """
INSERT INTO alerts (account_id, rule_id, customer_id, raised_at, raised_value)
VALUES ($1, $2, $3, $4, $5)
"""
_CLEAR = """
UPDATE alerts SET cleared_at = $3, cleared_value = $4
WHERE account_id = $1 AND rule_id = $2 AND cleared_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A version of a rule that has not been removed, and its state."""

    account_id: int
    id: int
    version: int
    customer_id: int | None
    carrier_id: int | None
    definition: alert_rules.RuleDefinition
    state: State

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ActiveRule":
        return cls(
            row["account_id"],
            row["id"],
            row["version"],
            row["customer_id"],
            row["carrier_id"],
            rule_store.definition(row),
            State(row["raised_at"], row["is_told"], row["told_at"], row["changed_at"]),
        )

    @property
    def subject_id(self) -> int:
        """The id of the customer or carrier; 0 for the account."""
        return self.customer_id or self.carrier_id or 0


@dataclass(frozen=True, slots=True)
class AlertFact:
    """An inserted fact. `number` is its number in the account's stream."""

    kind: evaluation.Kind
    customer_id: int | None
    number: int


async def accounts_with_rules() -> list[int]:
    async with db.connection() as conn:
        return [row["account_id"] for row in await conn.fetch(_ACCOUNTS)]


async def active_rules(account_id: int) -> list[ActiveRule]:
    """All rules of the account that have not been removed, read in one statement."""
    async with db.connection() as conn:
        return [ActiveRule.of(row) for row in await conn.fetch(_ACTIVE, account_id)]


async def apply_reading(
    rule: ActiveRule, reading: evaluation.Reading, at: datetime
) -> AlertFact | None:
    """Applies the reading of an instant to a rule: stores its state, the alert, messages, a fact.

    Returns None if the reading changes nothing. Decides under the lock of the rule, so that only
    one of several workers with the same reading notifies the recipients. Does nothing if the rule
    was changed since it was read: the next reading applies to the changed rule.
    """
    async with db.transaction() as conn:
        row = await conn.fetchrow(_LOCKED, rule.account_id, rule.id)
        if row is None or row["version"] != rule.version:
            return None
        rule = ActiveRule.of(row)
        step = evaluation.evaluate(rule.definition.rule, rule.state, reading, at)
        if step is None or reading.value is None:
            return None
        await _store_state(conn, rule, step.state)
        await _record_alert(conn, rule, step.kind, reading.value, at)
        if step.is_notified:
            since = step.state.raised_at or rule.state.raised_at or at
            kind = alert_messages.MESSAGE_KINDS[step.kind]
            event = AlertEvent(kind, at, since, reading.value)
            await _send(rule, _description(rule, row), event)
        number = await _insert_fact(conn, rule, step.kind, reading.value, at)
    return AlertFact(step.kind, rule.customer_id, number)


async def end_alert(
    conn: db.Connection, account_id: int, rule_id: int, at: datetime
) -> AlertFact | None:
    """Ends the alert of a rule that is being removed. Returns None if the rule is not raised.

    Call it last in the open transaction, because it locks the numbers of facts.
    """
    row = await conn.fetchrow(_LOCKED, account_id, rule_id)
    if row is None or row["raised_at"] is None:
        return None
    rule = ActiveRule.of(row)
    await _store_state(conn, rule, State(notified_at=rule.state.notified_at, changed_at=at))
    await _record_alert(conn, rule, evaluation.Kind.CLEARED, None, at)
    number = await _insert_fact(conn, rule, evaluation.Kind.CLEARED, None, at)
    return AlertFact(evaluation.Kind.CLEARED, rule.customer_id, number)


async def send_test(
    account_id: int, rule_id: int, now: datetime
) -> tuple[alert_rules.Recipient, ...] | None:
    """Inserts a test message to each recipient into the outbox, in the open transaction.

    Returns the recipients; None if the rule does not exist.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(_LOCKED, account_id, rule_id)
    if row is None:
        return None
    rule = ActiveRule.of(row)
    await _send(rule, _description(rule, row), AlertEvent(messages.Kind.ALERT_TEST, now, now))
    return rule.definition.recipients


def _description(rule: ActiveRule, row: Mapping[str, Any]) -> RuleDescription:
    definition = rule.definition
    return RuleDescription(
        account_id=rule.account_id,
        rule_id=rule.id,
        title=definition.title,
        level=definition.level,
        rule=definition.rule,
        scope=definition.scope,
        subject=row["subject"],
        reference=row["reference"],
        currency=row["currency"] if definition.metric is Metric.BALANCE else "",
    )


async def _store_state(conn: db.Connection, rule: ActiveRule, state: State) -> None:
    values = (state.raised_at, state.is_notified, state.notified_at, state.changed_at)
    await conn.execute(_STORE_STATE, rule.account_id, rule.id, *values)


async def _record_alert(
    conn: db.Connection,
    rule: ActiveRule,
    kind: evaluation.Kind,
    value: Decimal | None,
    at: datetime,
) -> None:
    if kind is evaluation.Kind.RAISED:
        await conn.execute(_RAISE, rule.account_id, rule.id, rule.customer_id, at, value)
    elif kind is evaluation.Kind.CLEARED:
        await conn.execute(_CLEAR, rule.account_id, rule.id, at, value)


async def _send(rule: ActiveRule, description: RuleDescription, event: AlertEvent) -> None:
    for recipient in rule.definition.recipients:
        await outbox.insert(
            rule.account_id,
            outbox.NewMessage(
                kind=event.kind,
                recipient=recipient.to,
                language=recipient.language,
                channel=recipient.channel,
                detail=alert_messages.message_detail(description, event, recipient),
            ),
            event.at,
        )


async def _insert_fact(
    conn: db.Connection,
    rule: ActiveRule,
    kind: evaluation.Kind,
    value: Decimal | None,
    at: datetime,
) -> int:
    return await fact_log.insert(
        conn,
        rule.account_id,
        fact_log.NewFact(
            kind=facts.Kind.ALERT,
            customer_id=rule.customer_id,
            subject_id=rule.id,
            detail={"kind": kind, "value": None if value is None else format(value, "f")},
        ),
        at,
    )
