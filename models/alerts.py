"""Alerts: what rules stand, and what readings make of them, each in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import alert_messages, alert_rules, alerts, facts, messages
from domain.alert_messages import About, Happened
from domain.alerts import Metric, State
from models import alert_rules as stored_rules
from models import db, outbox
from models import facts as stored_facts

_RULE = """
    r.account_id, r.id, r.title, r.metric, r.customer_id, r.carrier_id, r.operator, r.threshold,
    r.reset_threshold, r.sample_minutes, r.minimum_sample, r.cool_down_seconds, r.repeat_seconds,
    r.level, r.recipients, r.version, r.raised_at, r.is_told, r.told_at, r.changed_at
"""
_ACCOUNTS = "SELECT DISTINCT account_id FROM alert_rules WHERE removed_at IS NULL"
_STANDING = f"SELECT {_RULE} FROM alert_rules r WHERE account_id = $1 AND removed_at IS NULL"
_LOCKED = f"""
SELECT {_RULE}, coalesce(c.name, p.name, a.name) AS subject,
       coalesce(c.reference, p.reference) AS reference, coalesce(c.currency, '') AS currency
FROM alert_rules r
JOIN accounts a ON a.id = r.account_id
LEFT JOIN customers c ON c.account_id = r.account_id AND c.id = r.customer_id
LEFT JOIN carriers p ON p.account_id = r.account_id AND p.id = r.carrier_id
WHERE r.account_id = $1 AND r.id = $2 AND r.removed_at IS NULL
FOR UPDATE OF r
"""
_MOVE = """
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
class Standing:
    """A rule that has not been removed, of that version, and its state."""

    account_id: int
    id: int
    version: int
    customer_id: int | None
    carrier_id: int | None
    wanted: alert_rules.Wanted
    state: State

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Standing":
        return cls(
            row["account_id"],
            row["id"],
            row["version"],
            row["customer_id"],
            row["carrier_id"],
            stored_rules.wanted(row),
            State(row["raised_at"], row["is_told"], row["told_at"], row["changed_at"]),
        )

    @property
    def subject_id(self) -> int:
        """The customer or carrier; 0 of the account."""
        return self.customer_id or self.carrier_id or 0


@dataclass(frozen=True, slots=True)
class Told:
    """`number` is the fact's in the account's stream."""

    kind: alerts.Kind
    customer_id: int | None
    number: int


async def accounts_with_rules() -> list[int]:
    async with db.connection() as conn:
        return [row["account_id"] for row in await conn.fetch(_ACCOUNTS)]


async def standing(account_id: int) -> list[Standing]:
    """All rules of the account, in one statement."""
    async with db.connection() as conn:
        return [Standing.of(row) for row in await conn.fetch(_STANDING, account_id)]


async def take(seen: Standing, read: alerts.Reading, at: datetime) -> Told | None:
    """What the reading of that instant makes of the rule: its new state, the alert, the messages
    and the fact, all or none; None: nothing.

    It is decided under the rule's lock, so that of many who read the same one tells of it. A rule
    that was changed since it was seen is left to the next reading.
    """
    async with db.transaction() as conn:
        row = await conn.fetchrow(_LOCKED, seen.account_id, seen.id)
        if row is None or row["version"] != seen.version:
            return None
        rule = Standing.of(row)
        step = alerts.step(rule.wanted.rule, rule.state, read, at)
        if step is None or read.value is None:
            return None
        await _move(conn, rule, step.state)
        await _keep(conn, rule, step.kind, read.value, at)
        if step.is_told:
            since = step.state.raised_at or rule.state.raised_at or at
            kind = alert_messages.KINDS[step.kind]
            happened = Happened(kind, at, since, read.value)
            await _send(rule, _about(rule, row), happened)
        number = await _tell(conn, rule, step.kind, read.value, at)
    return Told(step.kind, rule.customer_id, number)


async def end(conn: db.Connection, account_id: int, rule_id: int, at: datetime) -> Told | None:
    """Ends the alert of a rule that is being removed, in the open transaction and last of all in
    it; None where it is not raised."""
    row = await conn.fetchrow(_LOCKED, account_id, rule_id)
    if row is None or row["raised_at"] is None:
        return None
    rule = Standing.of(row)
    await _move(conn, rule, State(told_at=rule.state.told_at, changed_at=at))
    await _keep(conn, rule, alerts.Kind.CLEARED, None, at)
    number = await _tell(conn, rule, alerts.Kind.CLEARED, None, at)
    return Told(alerts.Kind.CLEARED, rule.customer_id, number)


async def send_test(
    account_id: int, rule_id: int, now: datetime
) -> tuple[alert_rules.Recipient, ...] | None:
    """Puts a test to each recipient of the rule into the outbox, in the open transaction; to
    whom. None where there is no such rule."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_LOCKED, account_id, rule_id)
    if row is None:
        return None
    rule = Standing.of(row)
    await _send(rule, _about(rule, row), Happened(messages.Kind.ALERT_TEST, now, now))
    return rule.wanted.recipients


def _about(rule: Standing, row: Mapping[str, Any]) -> About:
    wanted = rule.wanted
    return About(
        account_id=rule.account_id,
        rule_id=rule.id,
        title=wanted.title,
        level=wanted.level,
        rule=wanted.rule,
        scope=wanted.scope,
        subject=row["subject"],
        reference=row["reference"],
        currency=row["currency"] if wanted.metric is Metric.BALANCE else "",
    )


async def _move(conn: db.Connection, rule: Standing, state: State) -> None:
    moved = (state.raised_at, state.is_told, state.told_at, state.changed_at)
    await conn.execute(_MOVE, rule.account_id, rule.id, *moved)


async def _keep(
    conn: db.Connection, rule: Standing, kind: alerts.Kind, value: Decimal | None, at: datetime
) -> None:
    if kind is alerts.Kind.RAISED:
        await conn.execute(_RAISE, rule.account_id, rule.id, rule.customer_id, at, value)
    elif kind is alerts.Kind.CLEARED:
        await conn.execute(_CLEAR, rule.account_id, rule.id, at, value)


async def _send(rule: Standing, about: About, happened: Happened) -> None:
    for to in rule.wanted.recipients:
        await outbox.insert(
            rule.account_id,
            happened.kind,
            to.to,
            to.language,
            happened.at,
            channel=to.channel,
            detail=alert_messages.detail(about, happened, to),
        )


async def _tell(
    conn: db.Connection, rule: Standing, kind: alerts.Kind, value: Decimal | None, at: datetime
) -> int:
    return await stored_facts.insert(
        conn,
        rule.account_id,
        rule.customer_id,
        facts.Kind.ALERT,
        at,
        subject_id=rule.id,
        detail={"kind": kind, "value": None if value is None else format(value, "f")},
    )
