"""Messages about alerts: the texts in the recipient's language, and the payload of webhooks."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import ids, money
from domain.alerting import evaluation
from domain.alerting.alert_rules import LEVEL_NAMES, METRIC_NAMES, Recipient
from domain.alerting.evaluation import METRIC, MONEY, Level, Operator, Rule, Scope
from domain.messaging import messages, texts
from domain.messaging.messages import Channel
from domain.messaging.texts import Text, mark_text

MESSAGE_KINDS: Mapping[evaluation.Kind, messages.Kind] = {
    evaluation.Kind.RAISED: messages.Kind.ALERT_RAISED,
    evaluation.Kind.REPEATED: messages.Kind.ALERT_REPEATED,
    evaluation.Kind.CLEARED: messages.Kind.ALERT_CLEARED,
}
_LIMITS: Mapping[Operator, str] = {
    Operator.BELOW: mark_text("below {value}"),
    Operator.ABOVE: mark_text("above {value}"),
}
_METRIC_OF_SUBJECT = mark_text("{metric} of {subject}")


@dataclass(frozen=True, slots=True)
class RuleDescription:
    """A rule as its messages describe it.

    `subject` is the name of the account, customer or carrier that the rule is about; `reference` is
    the reference that switches use for it, None for the account. `currency` is "" unless the metric
    is a balance.
    """

    account_id: int
    rule_id: int
    title: str
    level: Level
    rule: Rule
    scope: Scope
    subject: str
    reference: str | None
    currency: str


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """`value` is None for a test. `since` is when the alert was raised."""

    kind: messages.Kind
    at: datetime
    since: datetime
    value: Decimal | None = None


def message_detail(about: RuleDescription, event: AlertEvent, to: Recipient) -> dict[str, str]:
    """The values of the message's text in the recipient's language, and a webhook's payload."""
    language, rule = to.language, about.rule

    def shown(value: Decimal | None) -> str:
        return "" if value is None else _format_value(about, value, language)

    def say(template: str, **values: object) -> str:
        return texts.translate(language, template, values)

    words = {
        "title": about.title,
        "level": say(LEVEL_NAMES[about.level]),
        "what": say(
            _METRIC_OF_SUBJECT, metric=Text(METRIC_NAMES[rule.metric]), subject=about.subject
        ),
        "value": shown(event.value),
        "limit": say(_LIMITS[rule.operator], value=shown(rule.threshold)),
        "reset": shown(rule.reset_threshold),
        "since": texts.format_instant(language, event.since),
        "at": texts.format_instant(language, event.at),
    }
    if to.channel is not Channel.WEBHOOK:
        return words
    return words | {
        "account_id": str(about.account_id),
        "rule_id": str(about.rule_id),
        "json": json.dumps(_webhook_payload(about, event)),
    }


def _format_value(about: RuleDescription, value: Decimal, language: str) -> str:
    unit = METRIC[about.rule.metric].unit
    number = texts.format_number(language, Decimal(money.plain(value)))
    return f"{number} {about.currency if unit == MONEY else unit}".strip()


# Webhooks --------------------------------------------------------------------------------------


def _webhook_payload(about: RuleDescription, event: AlertEvent) -> dict[str, object]:
    rule, is_test = about.rule, event.kind is messages.Kind.ALERT_TEST
    return {
        "event": "TEST" if is_test else event.kind.removeprefix("ALERT_"),
        "test": is_test,
        "rule": {"id": ids.of("AlertRule", about.account_id, about.rule_id), "title": about.title},
        "level": about.level,
        "metric": rule.metric,
        "scope": about.scope,
        "subject": {"reference": about.reference, "name": about.subject},
        "unit": about.currency or METRIC[rule.metric].unit,
        "operator": rule.operator,
        "threshold": money.plain(rule.threshold),
        "resetThreshold": money.plain(rule.reset_threshold),
        "value": None if event.value is None else money.plain(event.value),
        "raisedAt": None if is_test else event.since.isoformat(),
        "at": event.at.isoformat(),
    }


def webhook_body(letter: messages.Letter) -> bytes:
    """The JSON of a post. `id` is the message's reference, the same in every retry."""
    payload = {"id": letter.reference, **json.loads(letter.detail["json"]), "text": letter.text}
    return json.dumps(payload, ensure_ascii=False).encode()


def webhook_secret(secret_key: str, account_id: int, rule_id: int) -> str:
    """The key that signs a rule's webhooks: derived from `secret_key`, so that it is not stored."""
    message = f"callboard: webhook of {account_id}:{rule_id}".encode()
    digest = hmac.digest(secret_key.encode(), message, "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def signature(secret: str, at: datetime, body: bytes) -> str:
    """The header `Callboard-Signature`.

    t is the time in seconds since 1970; v1 is the HMAC-SHA-256 of `t.body` in hexadecimal digits.
    """
    second = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{second}.".encode() + body, "sha256").hexdigest()
    return f"t={second},v1={digest}"
