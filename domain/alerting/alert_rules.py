"""Alert rules: validation of their values and recipients."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from domain import refusals
from domain.alerting.evaluation import (
    METRIC,
    Level,
    Metric,
    MetricDefinition,
    Operator,
    Rule,
    Scope,
)
from domain.directory import profiles
from domain.identity import personal_data
from domain.messaging import texts
from domain.messaging.messages import Channel

MIN_SAMPLE_MINUTES, MAX_SAMPLE_MINUTES = 1, 15
MAX_SAMPLES = 1_000_000
MAX_SECONDS = 7 * 24 * 3600  # of a cool-down and between repeats
MIN_REPEAT_SECONDS = 60
MAX_RECIPIENTS = 20
_WEBHOOK = re.compile(r"https?://(?![^/]*@)[!-~]{1,500}")  # a password in the URL would be shown

# As messages and refusals name them.
METRIC_NAMES: Mapping[Metric, str] = {
    Metric.BALANCE: texts.mark_text("Balance"),
    Metric.ASR: texts.mark_text("ASR"),
    Metric.ACD: texts.mark_text("ACD"),
    Metric.PDD: texts.mark_text("PDD"),
    Metric.NER: texts.mark_text("NER"),
    Metric.CPS: texts.mark_text("Calls per second"),
    Metric.CHANNELS: texts.mark_text("Live channels"),
    Metric.CONSECUTIVE_FAILURES: texts.mark_text("Consecutive failures"),
}
SCOPE_NAMES: Mapping[Scope, str] = {
    Scope.ACCOUNT: texts.mark_text("the account"),
    Scope.CUSTOMER: texts.mark_text("a customer"),
    Scope.CARRIER: texts.mark_text("a carrier"),
}
LEVEL_NAMES: Mapping[Level, str] = {
    Level.INFO: texts.mark_text("Note"),
    Level.WARNING: texts.mark_text("Warning"),
    Level.CRITICAL: texts.mark_text("Critical"),
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """`to` is an e-mail address, an E.164 number or a URL. `language` is that of its messages."""

    channel: Channel
    to: str
    language: str = texts.DEFAULT


@dataclass(frozen=True, slots=True)
class RuleDefinition:
    """A rule as it is stored. `sample_minutes` is None if its metric is not sampled."""

    title: str
    metric: Metric
    scope: Scope
    operator: Operator
    threshold: Decimal
    reset_threshold: Decimal
    sample_minutes: int | None
    minimum_sample: int
    cool_down_seconds: int
    repeat_seconds: int | None
    level: Level
    recipients: tuple[Recipient, ...]

    @property
    def rule(self) -> Rule:
        repeat = self.repeat_seconds
        return Rule(
            self.metric,
            self.operator,
            self.threshold,
            self.reset_threshold,
            self.minimum_sample,
            timedelta(seconds=self.cool_down_seconds),
            None if repeat is None else timedelta(seconds=repeat),
        )


# The fields that can change. `validate` checks the rule as a whole.
CHANGES: profiles.Fields = {
    name: profiles.Field(lambda value, _: value, name in ("sample_minutes", "repeat_seconds"))
    for name in (
        *("title", "operator", "threshold", "reset_threshold", "sample_minutes", "minimum_sample"),
        *("cool_down_seconds", "repeat_seconds", "level", "recipients"),
    )
}


def validate(rule: RuleDefinition) -> dict[str, Any]:
    """The rule's values as they are stored, by column.

    Refuses BAD_SCOPE, BAD_THRESHOLD, BAD_RESET, BAD_SAMPLE, BAD_COOL_DOWN, BAD_REPEAT,
    BAD_RECIPIENT and INVALID, each with its field.
    """
    definition = METRIC[rule.metric]
    _check_scope(definition, rule.scope)
    _check_thresholds(definition, rule)
    _check_sample(definition, rule)
    _check_intervals(rule)
    return {
        "title": personal_data.validate_name(rule.title, "title"),
        "metric": rule.metric,
        "operator": rule.operator,
        "threshold": rule.threshold,
        "reset_threshold": rule.reset_threshold,
        "sample_minutes": rule.sample_minutes,
        "minimum_sample": rule.minimum_sample,
        "cool_down_seconds": rule.cool_down_seconds,
        "repeat_seconds": rule.repeat_seconds,
        "level": rule.level,
        "recipients": [_as_json(recipient) for recipient in _validate_recipients(rule.recipients)],
    }


def load_recipients(stored: Sequence[Mapping[str, str]]) -> tuple[Recipient, ...]:
    """Of what `validate` has of them."""
    return tuple(
        Recipient(Channel(item["channel"]), item["to"], item["language"]) for item in stored
    )


def _as_json(recipient: Recipient) -> dict[str, str]:
    return {
        "channel": recipient.channel,
        "to": recipient.to,
        "language": recipient.language,
    }


def _check_scope(definition: MetricDefinition, scope: Scope) -> None:
    if scope not in definition.scopes:
        raise refusals.Refusal(
            "BAD_SCOPE",
            "{metric} is not available for {scope}. Select {scopes}.",
            "metric",
            metric=texts.Text(METRIC_NAMES[definition.metric]),
            scopes=[
                texts.Text(SCOPE_NAMES[allowed])
                for allowed in Scope
                if allowed in definition.scopes
            ],
            scope=texts.Text(SCOPE_NAMES[scope]),
        )


def _check_thresholds(definition: MetricDefinition, rule: RuleDefinition) -> None:
    for value, field in (
        (rule.threshold, "threshold"),
        (rule.reset_threshold, "resetThreshold"),
    ):
        if definition.minimum is not None and value < definition.minimum:
            raise refusals.Refusal(
                "BAD_THRESHOLD", "Set {least} or more.", field, least=definition.minimum
            )
        if definition.maximum is not None and value > definition.maximum:
            raise refusals.Refusal(
                "BAD_THRESHOLD", "Set {most} or less.", field, most=definition.maximum
            )
    below = rule.operator is Operator.BELOW
    if below and rule.reset_threshold < rule.threshold:
        raise refusals.Refusal(
            "BAD_RESET",
            "An alert that is raised below {threshold} is cleared at {threshold} or above. Set"
            " {threshold} or more.",
            "resetThreshold",
            threshold=rule.threshold,
        )
    if not below and rule.reset_threshold > rule.threshold:
        raise refusals.Refusal(
            "BAD_RESET",
            "An alert that is raised above {threshold} is cleared at {threshold} or below. Set"
            " {threshold} or less.",
            "resetThreshold",
            threshold=rule.threshold,
        )


def _check_sample(definition: MetricDefinition, rule: RuleDefinition) -> None:
    minutes, minimum = rule.sample_minutes, rule.minimum_sample
    if not definition.is_sampled and (minutes is not None or minimum != 1):
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "{metric} is not sampled. Omit the sample period and the minimum sample.",
            "sampleMinutes" if minutes is not None else "minimumSample",
            metric=texts.Text(METRIC_NAMES[definition.metric]),
        )
    if definition.is_sampled and (
        minutes is None or not MIN_SAMPLE_MINUTES <= minutes <= MAX_SAMPLE_MINUTES
    ):
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "Set a sample period of {least} to {most} minutes.",
            "sampleMinutes",
            least=MIN_SAMPLE_MINUTES,
            most=MAX_SAMPLE_MINUTES,
        )
    if not 1 <= minimum <= MAX_SAMPLES:
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "Set a minimum sample of {least} to {most:,} calls.",
            "minimumSample",
            least=1,
            most=MAX_SAMPLES,
        )


def _check_intervals(rule: RuleDefinition) -> None:
    cool_down, repeat = rule.cool_down_seconds, rule.repeat_seconds
    if not 0 <= cool_down <= MAX_SECONDS:
        raise refusals.Refusal(
            "BAD_COOL_DOWN",
            "Set a cool-down of 0 to {most:,} seconds.",
            "coolDownSeconds",
            most=MAX_SECONDS,
        )
    least = max(MIN_REPEAT_SECONDS, cool_down)
    if repeat is not None and not least <= repeat <= MAX_SECONDS:
        raise refusals.Refusal(
            "BAD_REPEAT",
            "Set {least:,} to {most:,} seconds between repeats, at least the cool-down, or null for"
            " no repeats.",
            "repeatSeconds",
            least=least,
            most=MAX_SECONDS,
        )


def _validate_recipients(recipients: Sequence[Recipient]) -> list[Recipient]:
    """Without duplicates, each address in its canonical form."""
    if len(recipients) > MAX_RECIPIENTS:
        raise refusals.Refusal(
            "BAD_RECIPIENT", "Set at most {most} recipients.", "recipients", most=MAX_RECIPIENTS
        )
    normalized = [
        Recipient(
            recipient.channel,
            _validate_address(recipient),
            personal_data.validate_language(recipient.language, "recipients"),
        )
        for recipient in recipients
    ]
    return list({(recipient.channel, recipient.to): recipient for recipient in normalized}.values())


def _validate_address(recipient: Recipient) -> str:
    match recipient.channel:
        case Channel.EMAIL:
            return personal_data.validate_email(recipient.to, "recipients")
        case Channel.SMS:
            return personal_data.validate_mobile(recipient.to, "recipients")
        case Channel.WEBHOOK:
            if not _is_webhook(recipient.to):
                raise refusals.Refusal(
                    "BAD_RECIPIENT",
                    "Set an http or https URL without a user name and password, such as"
                    " https://acme.example/alerts.",
                    "recipients",
                )
            return recipient.to


def _is_webhook(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(_WEBHOOK.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:  # for a malformed port or IPv6 address
        return False
