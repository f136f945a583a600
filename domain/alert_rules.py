"""What an alert rule has to look like to make sense, and whom it tells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from domain import people, profiles, refusals, texts
from domain.alerts import MEASURE, Level, Measure, Metric, Operator, Rule, Scope
from domain.messages import Channel

SHORTEST_MINUTES, LONGEST_MINUTES = 1, 15
MOST_SAMPLES = 1_000_000
LONGEST_SECONDS = 7 * 24 * 3600  # of a cool-down and between repeats
LEAST_REPEAT_SECONDS = 60
MOST_RECIPIENTS = 20
_WEBHOOK = re.compile(r"https?://(?![^/]*@)[!-~]{1,500}")  # a password in it would be shown

# What people call them.
NAMES: Mapping[Metric, str] = {
    Metric.BALANCE: texts.marked("Balance"),
    Metric.ASR: texts.marked("ASR"),
    Metric.ACD: texts.marked("ACD"),
    Metric.PDD: texts.marked("PDD"),
    Metric.NER: texts.marked("NER"),
    Metric.CPS: texts.marked("Calls per second"),
    Metric.CHANNELS: texts.marked("Live channels"),
    Metric.CONSECUTIVE_FAILURES: texts.marked("Consecutive failures"),
}
SCOPES: Mapping[Scope, str] = {
    Scope.ACCOUNT: texts.marked("the account"),
    Scope.CUSTOMER: texts.marked("a customer"),
    Scope.CARRIER: texts.marked("a carrier"),
}
LEVELS: Mapping[Level, str] = {
    Level.INFO: texts.marked("Note"),
    Level.WARNING: texts.marked("Warning"),
    Level.CRITICAL: texts.marked("Critical"),
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """`to` is an e-mail address, a number as E.164, or a URL. `language` of what it is sent."""

    channel: Channel
    to: str
    language: str = texts.DEFAULT


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule as it is kept. `sample_minutes` None: its metric is of the moment."""

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


# What may be changed of a rule; that it makes sense, `checked` says of the whole.
CHANGES: profiles.Fields = {
    name: profiles.Field(lambda value, _: value, name in ("sample_minutes", "repeat_seconds"))
    for name in (
        *("title", "operator", "threshold", "reset_threshold", "sample_minutes", "minimum_sample"),
        *("cool_down_seconds", "repeat_seconds", "level", "recipients"),
    )
}


def checked(wanted: Wanted) -> dict[str, Any]:
    """The rule's values as they are stored, by name.

    BAD_SCOPE, BAD_THRESHOLD, BAD_RESET, BAD_SAMPLE, BAD_COOL_DOWN, BAD_REPEAT, BAD_RECIPIENT,
    INVALID, each with its field.
    """
    measure = MEASURE[wanted.metric]
    _check_scope(measure, wanted.scope)
    _check_thresholds(measure, wanted)
    _check_sample(measure, wanted)
    _check_pauses(wanted)
    return {
        "title": people.name(wanted.title, "title"),
        "metric": wanted.metric,
        "operator": wanted.operator,
        "threshold": wanted.threshold,
        "reset_threshold": wanted.reset_threshold,
        "sample_minutes": wanted.sample_minutes,
        "minimum_sample": wanted.minimum_sample,
        "cool_down_seconds": wanted.cool_down_seconds,
        "repeat_seconds": wanted.repeat_seconds,
        "level": wanted.level,
        "recipients": [_stored(one) for one in _checked(wanted.recipients)],
    }


def recipients(stored: Sequence[Mapping[str, str]]) -> tuple[Recipient, ...]:
    """Of what `checked` has of them."""
    return tuple(Recipient(Channel(one["channel"]), one["to"], one["language"]) for one in stored)


def _stored(one: Recipient) -> dict[str, str]:
    return {"channel": one.channel, "to": one.to, "language": one.language}


def _check_scope(measure: Measure, scope: Scope) -> None:
    if scope not in measure.scopes:
        raise refusals.Refusal(
            "BAD_SCOPE",
            "{metric} can be watched of {scopes}, not of {scope}.",
            "metric",
            metric=texts.Text(NAMES[measure.metric]),
            scopes=[texts.Text(SCOPES[one]) for one in Scope if one in measure.scopes],
            scope=texts.Text(SCOPES[scope]),
        )


def _check_thresholds(measure: Measure, wanted: Wanted) -> None:
    for value, field in (
        (wanted.threshold, "threshold"),
        (wanted.reset_threshold, "resetThreshold"),
    ):
        if measure.least is not None and value < measure.least:
            raise refusals.Refusal(
                "BAD_THRESHOLD", "Give {least} or more.", field, least=measure.least
            )
        if measure.most is not None and value > measure.most:
            raise refusals.Refusal(
                "BAD_THRESHOLD", "Give {most} or less.", field, most=measure.most
            )
    below = wanted.operator is Operator.BELOW
    if below and wanted.reset_threshold < wanted.threshold:
        raise refusals.Refusal(
            "BAD_RESET",
            "An alert that is raised below {threshold} is cleared there or above; give"
            " {threshold} or more.",
            "resetThreshold",
            threshold=wanted.threshold,
        )
    if not below and wanted.reset_threshold > wanted.threshold:
        raise refusals.Refusal(
            "BAD_RESET",
            "An alert that is raised above {threshold} is cleared there or below; give"
            " {threshold} or less.",
            "resetThreshold",
            threshold=wanted.threshold,
        )


def _check_sample(measure: Measure, wanted: Wanted) -> None:
    minutes, minimum = wanted.sample_minutes, wanted.minimum_sample
    if not measure.sampled and (minutes is not None or minimum != 1):
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "{metric} is of the moment: give neither a sample period nor a minimum sample.",
            "sampleMinutes" if minutes is not None else "minimumSample",
            metric=texts.Text(NAMES[measure.metric]),
        )
    if measure.sampled and (minutes is None or not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES):
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "Give a sample period of {least} to {most} minutes.",
            "sampleMinutes",
            least=SHORTEST_MINUTES,
            most=LONGEST_MINUTES,
        )
    if not 1 <= minimum <= MOST_SAMPLES:
        raise refusals.Refusal(
            "BAD_SAMPLE",
            "Give a minimum sample of {least} to {most:,} calls.",
            "minimumSample",
            least=1,
            most=MOST_SAMPLES,
        )


def _check_pauses(wanted: Wanted) -> None:
    cool_down, repeat = wanted.cool_down_seconds, wanted.repeat_seconds
    if not 0 <= cool_down <= LONGEST_SECONDS:
        raise refusals.Refusal(
            "BAD_COOL_DOWN",
            "Give a cool-down of 0 to {most:,} seconds.",
            "coolDownSeconds",
            most=LONGEST_SECONDS,
        )
    least = max(LEAST_REPEAT_SECONDS, cool_down)
    if repeat is not None and not least <= repeat <= LONGEST_SECONDS:
        raise refusals.Refusal(
            "BAD_REPEAT",
            "Repeat every {least:,} to {most:,} seconds, no sooner than the cool-down, or never"
            " (null).",
            "repeatSeconds",
            least=least,
            most=LONGEST_SECONDS,
        )


def _checked(given: Sequence[Recipient]) -> list[Recipient]:
    """Each once, as it is written to."""
    if len(given) > MOST_RECIPIENTS:
        raise refusals.Refusal(
            "BAD_RECIPIENT", "Give at most {most} recipients.", "recipients", most=MOST_RECIPIENTS
        )
    found = [
        Recipient(one.channel, _address(one), people.language(one.language, "recipients"))
        for one in given
    ]
    return list({(one.channel, one.to): one for one in found}.values())


def _address(one: Recipient) -> str:
    match one.channel:
        case Channel.EMAIL:
            return people.email(one.to, "recipients")
        case Channel.SMS:
            return people.mobile(one.to, "recipients")
        case Channel.WEBHOOK:
            if not _is_webhook(one.to):
                raise refusals.Refusal(
                    "BAD_RECIPIENT",
                    "Give an http or https address without a name and password in it, such as"
                    " https://acme.example/alerts.",
                    "recipients",
                )
            return one.to


def _is_webhook(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(_WEBHOOK.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:  # of a port or an IPv6 address
        return False
