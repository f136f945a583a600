"""What recipients of an alert are sent: its words in their language, and what a webhook posts."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import alerts, ids, messages, money, texts
from domain.alert_rules import LEVELS, NAMES, Recipient
from domain.alerts import MEASURE, MONEY, Level, Operator, Rule, Scope
from domain.messages import Channel
from domain.texts import Text, marked

KINDS: Mapping[alerts.Kind, messages.Kind] = {
    alerts.Kind.RAISED: messages.Kind.ALERT_RAISED,
    alerts.Kind.REPEATED: messages.Kind.ALERT_REPEATED,
    alerts.Kind.CLEARED: messages.Kind.ALERT_CLEARED,
}
_LIMITS: Mapping[Operator, str] = {
    Operator.BELOW: marked("below {value}"),
    Operator.ABOVE: marked("above {value}"),
}
_WHAT = marked("{metric} of {subject}")


@dataclass(frozen=True, slots=True)
class About:
    """A rule as its recipients know it. `subject` is the name of what it is about, `reference` what
    switches call that, None of the account; `currency` of a balance, else ""."""

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
class Happened:
    """`value` None: of a test. `since`: when it was raised."""

    kind: messages.Kind
    at: datetime
    since: datetime
    value: Decimal | None = None


def detail(about: About, happened: Happened, to: Recipient) -> dict[str, str]:
    """What the message's text names, in the recipient's language; for a webhook, what it posts."""
    language, rule = to.language, about.rule

    def shown(value: Decimal | None) -> str:
        return "" if value is None else _shown(about, value, language)

    def say(template: str, **values: object) -> str:
        return texts.say(language, template, values)

    words = {
        "title": about.title,
        "level": say(LEVELS[about.level]),
        "what": say(_WHAT, metric=Text(NAMES[rule.metric]), subject=about.subject),
        "value": shown(happened.value),
        "limit": say(_LIMITS[rule.operator], value=shown(rule.threshold)),
        "reset": shown(rule.reset_threshold),
        "since": texts.instant(language, happened.since),
        "at": texts.instant(language, happened.at),
    }
    if to.channel is not Channel.WEBHOOK:
        return words
    return words | {
        "account_id": str(about.account_id),
        "rule_id": str(about.rule_id),
        "json": json.dumps(_posted(about, happened)),
    }


def _shown(about: About, value: Decimal, language: str) -> str:
    unit = MEASURE[about.rule.metric].unit
    number = texts.number(language, Decimal(money.plain(value)))
    return f"{number} {about.currency if unit == MONEY else unit}".strip()


# Webhooks --------------------------------------------------------------------------------------


def _posted(about: About, happened: Happened) -> dict[str, object]:
    rule, is_test = about.rule, happened.kind is messages.Kind.ALERT_TEST
    return {
        "event": "TEST" if is_test else happened.kind.removeprefix("ALERT_"),
        "test": is_test,
        "rule": {"id": ids.of("AlertRule", about.account_id, about.rule_id), "title": about.title},
        "level": about.level,
        "metric": rule.metric,
        "scope": about.scope,
        "subject": {"reference": about.reference, "name": about.subject},
        "unit": about.currency or MEASURE[rule.metric].unit,
        "operator": rule.operator,
        "threshold": money.plain(rule.threshold),
        "resetThreshold": money.plain(rule.reset_threshold),
        "value": None if happened.value is None else money.plain(happened.value),
        "raisedAt": None if is_test else happened.since.isoformat(),
        "at": happened.at.isoformat(),
    }


def body(letter: messages.Letter) -> bytes:
    """What is posted: the message's JSON, its text, and the reference that is its every try's."""
    said = {"id": letter.reference, **json.loads(letter.detail["json"]), "text": letter.text}
    return json.dumps(said, ensure_ascii=False).encode()


def secret(secret_key: str, account_id: int, rule_id: int) -> str:
    """What a rule's webhooks are signed with. Derived, so that it is kept nowhere; another key
    makes another."""
    named = f"callboard: webhook of {account_id}:{rule_id}".encode()
    made = hmac.digest(secret_key.encode(), named, "sha256")
    return urlsafe_b64encode(made).decode().rstrip("=")


def signature(secret: str, at: datetime, body: bytes) -> str:
    """The header `Callboard-Signature`: t is the second it was made in, since 1970; v1 the HMAC of
    `t.body` with SHA-256 in hexadecimal digits."""
    second = int(at.timestamp())
    made = hmac.new(secret.encode(), f"{second}.".encode() + body, "sha256").hexdigest()
    return f"t={second},v1={made}"
