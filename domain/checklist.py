"""What is still to be put right, as pure conditions over facts: of a customer, and of the account.

An item is outstanding exactly while its condition holds, whoever made it so; nothing is ticked off.
Every item there is stands in `domain/checklist_items.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from domain import refusals, texts
from domain.callers import Kind, Role
from domain.texts import marked

F = TypeVar("F")
Doer: TypeAlias = Role | Kind  # staff by their role; of kinds, a contact

LONGEST_SNOOZE = timedelta(days=90)
COUNTED_TO = 1_000  # records that wait for staff; of more it is only known that they are more

# What a company profile has to say, by column; the rest of it is free.
PROFILE: Mapping[str, str] = {
    "legal_name": marked("legal name"),
    "street": marked("street"),
    "postal_code": marked("postal code"),
    "city": marked("city"),
    "country": marked("country"),
    "billing_email": marked("billing e-mail address"),
}


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """Of a customer with all its contacts, or as one of them sees it (`asked_by_contact`).

    `unverified_emails` and `unverified_mobiles` are contacts; who gave no number is among the
    latter. `missing` are columns of `PROFILE`; `mobile` is the asking contact's. `overdue` are
    issued invoices not paid within the customer's days of payment.
    """

    unverified_emails: int
    unverified_mobiles: int
    missing: tuple[str, ...]
    has_rate_card: bool
    overdue: int
    unrated_calls: int
    asked_by_contact: bool = False
    mobile: str | None = None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Of the account itself, or as one of its staff sees it.

    `unverified_emails` and `unverified_mobiles` are staff who may sign in; who gave no number is
    among the latter. `owners_without_factor` are owners with no second factor in force;
    `asks_without_factor`: the asking owner is among them. `quarantined` and `held` are records that
    wait for staff. `asked_by_staff`: the verifications are those of who asks, as is `mobile`.
    """

    unverified_emails: int
    unverified_mobiles: int
    customers: int
    carriers: int
    has_number_range: bool
    owners_without_factor: int
    quarantined: int
    held: int
    unrated_calls: int
    asked_by_staff: bool = False
    mobile: str | None = None
    asked_by_owner: bool = False
    asks_without_factor: bool = False


@dataclass(frozen=True, slots=True)
class Item(Generic[F]):
    """`open` is how many have it outstanding (contacts, staff or owners), or 1 where it is nobody's
    own.

    `action` is the field of the API that puts it right, `where` the portal's path to do it at.
    `by` are those who may do that, and of people they alone are shown it. Without `may_wait` it
    cannot be snoozed.
    """

    code: str
    title: str
    open: Callable[[F], int]
    detail: Callable[[F], texts.Text]
    action: str
    where: str
    by: frozenset[Doer]
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class Outstanding:
    """As it is said to whoever asked."""

    code: str
    title: str
    detail: str
    action: str
    where: str
    may_wait: bool
    snoozed_until: datetime | None = None


def outstanding(
    items: Sequence[Item[F]], facts: F, language: str, viewer: Doer
) -> list[Outstanding]:
    """The items whose condition holds, in their order, as they are shown: to people what they can
    put right, to keys (which show it to whoever looks) all of it."""
    return [
        Outstanding(
            item.code,
            texts.say(language, item.title),
            item.detail(facts).said(language),
            item.action,
            item.where,
            item.may_wait,
        )
        for item in items
        if item.open(facts) and (viewer is Kind.KEY or viewer in item.by)
    ]


def open_items(items: Sequence[Item[F]], facts: F) -> dict[str, int]:
    """How many have each outstanding item open, by its code: what is told when it changes."""
    return {item.code: number for item in items if (number := item.open(facts))}


def snooze_until(items: Sequence[Item[F]], code: str, until: datetime, now: datetime) -> datetime:
    """Until when the item is hidden; NOT_FOUND, NOT_SNOOZABLE, INVALID."""
    item = next((item for item in items if item.code == code), None)
    if item is None:
        raise refusals.Refusal(
            "NOT_FOUND", "There is no such checklist item; check its code.", "code"
        )
    if not item.may_wait:
        raise refusals.Refusal(
            "NOT_SNOOZABLE", "This item cannot wait; put it right instead.", "code"
        )
    if not now < until <= now + LONGEST_SNOOZE:
        raise refusals.Refusal(
            "INVALID",
            "Give an instant within the next {days} days.",
            "until",
            days=LONGEST_SNOOZE.days,
        )
    return until
