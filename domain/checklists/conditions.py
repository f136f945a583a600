"""The conditions of checklist items: pure functions of the facts of a customer or the account.

An item is outstanding exactly while its condition holds, whatever caused it. All items are in
`domain/checklists/checklist_items.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from domain import refusals
from domain.identity.callers import Kind, Role
from domain.messaging import texts
from domain.messaging.texts import mark_text

F = TypeVar("F")
Assignee: TypeAlias = Role | Kind  # staff by their role; of kinds, a contact

MAX_SNOOZE = timedelta(days=90)
MAX_COUNTED_RECORDS = 1_000  # of records that wait for staff; more are not counted

# The required fields of a company profile, by column.
PROFILE_COLUMNS: Mapping[str, str] = {
    "legal_name": mark_text("legal name"),
    "street": mark_text("street"),
    "postal_code": mark_text("postal code"),
    "city": mark_text("city"),
    "country": mark_text("country"),
    "billing_email": mark_text("billing e-mail address"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """The facts of a customer with all its contacts, or as one contact sees it (`is_for_contact`).

    `unverified_emails` and `unverified_mobiles` count contacts; a contact without a number counts
    among the latter. `missing` lists columns of `PROFILE_COLUMNS`. `mobile` is the number of the
    contact. `overdue` counts issued invoices that were not paid within the customer's payment days.
    """

    unverified_emails: int
    unverified_mobiles: int
    missing: tuple[str, ...]
    has_rate_card: bool
    overdue: int
    unrated_calls: int
    is_for_contact: bool = False
    mobile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """The facts of the account, or as one of its staff sees it (`is_for_staff`).

    `unverified_emails` and `unverified_mobiles` count staff who may sign in, or only the viewer if
    `is_for_staff`; staff without a number count among the latter. `mobile` is the viewer's number.
    `owners_without_factor` counts owners without an active second factor; `owner_lacks_factor`: the
    viewer is one of them. `quarantined` and `held` count records that wait for staff.
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
    is_for_staff: bool = False
    mobile: str | None = None
    is_for_owner: bool = False
    owner_lacks_factor: bool = False


@dataclass(frozen=True, slots=True)
class Item(Generic[F]):
    """`open` counts the contacts, staff or owners for whom the item is outstanding; 1 if it is not
    about people.

    `action` is the API field that resolves the item, `where` the portal's path to it. Only the
    people in `by` can resolve it, and only they are shown it. Without `may_wait` it cannot be
    snoozed.
    """

    code: str
    title: str
    open: Callable[[F], int]
    detail: Callable[[F], texts.Text]
    action: str
    where: str
    by: frozenset[Assignee]
    may_wait: bool = True


@dataclass(frozen=True, slots=True)
class OutstandingItem:
    """An item in the viewer's language."""

    code: str
    title: str
    detail: str
    action: str
    where: str
    may_wait: bool
    snoozed_until: datetime | None = None


def outstanding_items(
    items: Sequence[Item[F]], facts: F, language: str, viewer: Assignee
) -> list[OutstandingItem]:
    """The items whose condition holds, in their order. People are shown the items that they can
    resolve, API keys all items."""
    return [
        OutstandingItem(
            item.code,
            texts.translate(language, item.title),
            item.detail(facts).translate(language),
            item.action,
            item.where,
            item.may_wait,
        )
        for item in items
        if item.open(facts) and (viewer is Kind.KEY or viewer in item.by)
    ]


def open_counts(items: Sequence[Item[F]], facts: F) -> dict[str, int]:
    """The count of each outstanding item by its code, as it is published when it changes."""
    return {item.code: number for item in items if (number := item.open(facts))}


def validate_snooze(
    items: Sequence[Item[F]], code: str, until: datetime, now: datetime
) -> datetime:
    """The end of the snooze. Refuses NOT_FOUND, NOT_SNOOZABLE and INVALID."""
    item = next((item for item in items if item.code == code), None)
    if item is None:
        raise refusals.Refusal(
            "NOT_FOUND", "No checklist item has this code. Check the code.", "code"
        )
    if not item.may_wait:
        raise refusals.Refusal("NOT_SNOOZABLE", "This item cannot be snoozed. Resolve it.", "code")
    if not now < until <= now + MAX_SNOOZE:
        raise refusals.Refusal(
            "INVALID",
            "Set a time within the next {days} days.",
            "until",
            days=MAX_SNOOZE.days,
        )
    return until
