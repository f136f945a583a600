"""What is sent to people: every text of it, how it is written, and when it is tried again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from html import escape
from typing import TypeAlias

from domain.messaging import texts
from domain.messaging.texts import mark_text

RETENTION = timedelta(days=90)  # after it was stored, with the link or code that it carries


class Channel(StrEnum):
    EMAIL = "EMAIL"
    SMS = "SMS"
    WEBHOOK = "WEBHOOK"


class Kind(StrEnum):
    VERIFY_EMAIL = "VERIFY_EMAIL"
    VERIFY_MOBILE = "VERIFY_MOBILE"
    RESET_PASSWORD = "RESET_PASSWORD"
    INVITATION = "INVITATION"
    EMAIL_CHANGED = "EMAIL_CHANGED"
    ALERT_RAISED = "ALERT_RAISED"
    ALERT_REPEATED = "ALERT_REPEATED"
    ALERT_CLEARED = "ALERT_CLEARED"
    ALERT_TEST = "ALERT_TEST"
    SECOND_FACTOR_REMOVED = "SECOND_FACTOR_REMOVED"


# Of kinds that have one; others go by each recipient's.
CHANNEL: dict[Kind, Channel] = {
    Kind.VERIFY_EMAIL: Channel.EMAIL,
    Kind.VERIFY_MOBILE: Channel.SMS,
    Kind.RESET_PASSWORD: Channel.EMAIL,
    Kind.INVITATION: Channel.EMAIL,
    Kind.EMAIL_CHANGED: Channel.EMAIL,
    Kind.SECOND_FACTOR_REMOVED: Channel.EMAIL,
}

# After which it is not sent any more: an alert of days ago is no news, and all of them would come
# at once where a channel is set up.
MAX_AGE: dict[Kind, timedelta] = dict.fromkeys(
    (Kind.ALERT_RAISED, Kind.ALERT_REPEATED, Kind.ALERT_CLEARED, Kind.ALERT_TEST), timedelta(days=1)
)

# The page at the public URL that a kind's link opens.
PAGES: dict[Kind, str] = {
    Kind.VERIFY_EMAIL: "/verify-email",
    Kind.RESET_PASSWORD: "/reset-password",
    Kind.INVITATION: "/invitation",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates; each may name {account}, {until} (of a link), {code} and {minutes} (of a code),
    or what its message was given.

    `action` is what the link does. An SMS is its paragraphs alone.
    """

    subject: str
    before: tuple[str, ...]
    action: str = ""
    after: tuple[str, ...] = ()


WORDING: dict[Kind, Wording] = {
    Kind.VERIFY_EMAIL: Wording(
        mark_text("Verify your e-mail address"),
        (
            mark_text("Hello,"),
            mark_text(
                "please confirm that this is your e-mail address in the portal of {account}: open"
                " the link and press the button on its page."
            ),
        ),
        mark_text("Verify the address"),
        (
            mark_text("The link works once, until {until}."),
            mark_text("If you did not request this, ignore this message."),
        ),
    ),
    Kind.RESET_PASSWORD: Wording(
        mark_text("Choose a new password"),
        (
            mark_text("Hello,"),
            mark_text("a new password was requested for your login at {account}."),
        ),
        mark_text("Choose a new password"),
        (
            mark_text("The link works once, until {until}."),
            mark_text(
                "If you did not request this, ignore this message. Your password does not change."
            ),
        ),
    ),
    Kind.INVITATION: Wording(
        mark_text("Your access to {account}"),
        (
            mark_text("Hello,"),
            mark_text("you are invited to the portal of {account}. Choose a password to sign in."),
        ),
        mark_text("Accept the invitation"),
        (
            mark_text("The link works once, until {until}."),
            mark_text("If you did not expect this invitation, ignore this message."),
        ),
    ),
    Kind.EMAIL_CHANGED: Wording(
        mark_text("Your e-mail address was changed"),
        (
            mark_text("Hello,"),
            mark_text("your access to the portal of {account} now has the address {email}."),
            mark_text("If you did not make this change, contact {account} immediately."),
        ),
    ),
    Kind.SECOND_FACTOR_REMOVED: Wording(
        mark_text("Your second factor was removed"),
        (
            mark_text("Hello,"),
            mark_text(
                "signing in to the portal of {account} now requires only your password, and you"
                " were signed out everywhere. Sign in and set up a second factor again."
            ),
            mark_text("If you did not make this change, contact {account} immediately."),
        ),
    ),
    Kind.VERIFY_MOBILE: Wording(
        "",
        (mark_text("{code} is your code for {account}. It expires in {minutes} minutes."),),
    ),
    Kind.ALERT_RAISED: Wording(
        mark_text("{level}: {title}"),
        (
            mark_text("{level}: {title}"),
            mark_text("{what}: {value} ({limit})."),
            mark_text("Raised {since}; it is cleared at {reset}."),
            "{account}",
        ),
    ),
    Kind.ALERT_REPEATED: Wording(
        mark_text("{level}, still: {title}"),
        (
            mark_text("{level}, still: {title}"),
            mark_text("{what}: {value}."),  # it may be back behind the threshold, not yet cleared
            mark_text("Raised {since}, {limit}; it is cleared at {reset}."),
            "{account}",
        ),
    ),
    Kind.ALERT_CLEARED: Wording(
        mark_text("Cleared: {title}"),
        (
            mark_text("Cleared: {title}"),
            mark_text("{what}: {value}."),
            mark_text("Raised {since}, cleared {at}."),
            "{account}",
        ),
    ),
    Kind.ALERT_TEST: Wording(
        mark_text("Test: {title}"),
        (
            mark_text("This is a test of an alert rule. Nothing has happened."),
            mark_text("{level}: {title}"),
            mark_text("{what}: {limit}."),
            "{account}",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is sent. `reference` is the same at every try, and no other message's.

    `link` is "" where it has none; `account` is the name of the account it is sent for; `detail` is
    what the message was given.
    """

    reference: str
    channel: Channel
    recipient: str
    language: str
    account: str
    subject: str
    before: tuple[str, ...]
    action: str
    link: str
    after: tuple[str, ...]
    at: datetime
    detail: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        parts = [
            *self.before,
            *([f"{self.action}:\n{self.link}"] if self.link else []),
            *self.after,
        ]
        return "\n\n".join(parts)

    @property
    def html(self) -> str:
        """Of the same words; loads nothing from anywhere."""
        link = escape(self.link)
        action = f'<a href="{link}">{escape(self.action)}</a><br><small>{link}</small>'
        lines = [*map(escape, self.before), *([action] if link else []), *map(escape, self.after)]
        body = "\n".join(f"<p>{line}</p>" for line in lines)
        return (
            f'<!doctype html>\n<html lang="{escape(self.language)}"><head><meta charset="utf-8">'
            f"<title>{escape(self.subject)}</title></head>\n<body>\n{body}\n</body></html>\n"
        )


def write(
    kind: Kind,
    *,
    channel: Channel,
    reference: str,
    recipient: str,
    language: str,
    values: Mapping[str, str],
    link: str,
    at: datetime,
) -> Letter:
    """The letter in the recipient's language. `values` hold what its templates name."""
    text = WORDING[kind]

    def say(template: str) -> str:
        return texts.translate(language, template, values) if template else ""

    return Letter(
        reference=reference,
        channel=channel,
        recipient=recipient,
        language=texts.supported_language(language),
        account=values["account"],
        subject=say(text.subject),
        before=tuple(map(say, text.before)),
        action=say(text.action),
        link=link,
        after=tuple(map(say, text.after)),
        at=at,
        detail=values,
    )


class NotSentError(Exception):
    """Why it was not sent; `final` where another try would end in the same way."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason[:300])
        self.final = final


# What sends a letter of a channel; raises NotSentError.
Send: TypeAlias = Callable[[Letter], Awaitable[None]]

# Waits after the first, second, … failed try; after the last of them it is given up: a day.
RETRY_DELAYS: tuple[timedelta, ...] = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=8),
)


def retry_at(tries: int, now: datetime) -> datetime | None:
    """The time of the next try after `tries` failed ones; None if the message is given up."""
    return now + RETRY_DELAYS[tries - 1] if tries <= len(RETRY_DELAYS) else None
