"""What is still to be put right, as pure conditions over facts: of a customer, and of the account.

An item is outstanding exactly while its condition holds, whoever made it so; nothing is ticked off.
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

STAFF: frozenset[Doer] = frozenset(Role)
ANYBODY = STAFF | {Kind.CONTACT}
_SERVING: frozenset[Doer] = frozenset({Role.OWNER, Role.SUPPORT})

LONGEST_SNOOZE = timedelta(days=90)

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


def _verify_email(facts: CustomerFacts) -> texts.Text:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_emails)
    return _own_email()


def _verify_mobile(facts: CustomerFacts) -> texts.Text:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_mobiles)
    return _own_mobile(facts.mobile)


def _verify_staff_email(facts: AccountFacts) -> texts.Text:
    return _own_email() if facts.asked_by_staff else _of_staff(facts.unverified_emails)


def _verify_staff_mobile(facts: AccountFacts) -> texts.Text:
    if not facts.asked_by_staff:
        return _of_staff(facts.unverified_mobiles)
    return _own_mobile(facts.mobile)


def _own_email() -> texts.Text:
    return texts.Text("Request a message and open the link in it.")


def _own_mobile(mobile: str | None) -> texts.Text:
    if mobile is None:
        return texts.Text("Add a mobile number to your profile, then verify it.")
    return texts.Text("Verify your mobile number {mobile}.", {"mobile": mobile})


def _of_contacts(number: int) -> texts.Text:
    return texts.Text("Yet to be done by {number} of the customer's contacts.", {"number": number})


def _of_staff(number: int) -> texts.Text:
    return texts.Text("Yet to be done by {number} of the account's staff.", {"number": number})


def _profile(facts: CustomerFacts) -> texts.Text:
    missing = [texts.Text(PROFILE[column]) for column in facts.missing]
    return texts.Text("Fill in what is missing: {missing}.", {"missing": missing})


def _second_factor(facts: AccountFacts) -> texts.Text:
    if facts.asked_by_owner:
        return texts.Text("An owner can change everything here: protect your login by a code.")
    number = facts.owners_without_factor
    return texts.Text("Yet to be done by {number} of the account's owners.", {"number": number})


def _owners(facts: AccountFacts) -> int:
    return int(facts.asks_without_factor) if facts.asked_by_owner else facts.owners_without_factor


# Every item there is; another is one more entry. -------------------------------------------------

OF_CUSTOMER: tuple[Item[CustomerFacts], ...] = (
    Item(
        "VERIFY_EMAIL",
        marked("Verify your e-mail address"),
        lambda facts: facts.unverified_emails,
        _verify_email,
        "mutation requestEmailVerification",
        "/profile",
        ANYBODY,
        may_wait=False,
    ),
    Item(
        "VERIFY_MOBILE",
        marked("Verify your mobile number"),
        lambda facts: facts.unverified_mobiles,
        _verify_mobile,
        "mutation requestMobileVerification",
        "/profile",
        ANYBODY,
    ),
    Item(
        "COMPLETE_PROFILE",
        marked("Complete the company profile"),
        lambda facts: int(bool(facts.missing)),
        _profile,
        "mutation updateCustomer",
        "/company",
        _SERVING,
    ),
    Item(
        "ASSIGN_RATE_CARD",
        marked("Assign a rate card"),
        lambda facts: int(not facts.has_rate_card),
        lambda _: texts.Text("None is in force, so calls are rated only if the switch does it."),
        "mutation assignRateCard",
        "/rates",
        _SERVING,
    ),
    Item(
        "PAYMENT_OVERDUE",
        marked("Payment is overdue"),
        lambda facts: int(facts.overdue > 0),
        lambda facts: texts.Text(
            "Invoices that should have been paid by now: {number}.",
            {"number": facts.overdue},
        ),
        "query invoices",
        "/invoices",
        ANYBODY,
        may_wait=False,
    ),
    Item(
        "UNRATED_CALLS",
        marked("Calls without a rate"),
        lambda facts: int(facts.unrated_calls > 0),
        lambda facts: _unrated(facts.unrated_calls),
        "query unratedCalls",
        "/rates",
        STAFF,
    ),
)

OF_ACCOUNT: tuple[Item[AccountFacts], ...] = (
    Item(
        "VERIFY_EMAIL",
        marked("Verify your e-mail address"),
        lambda facts: facts.unverified_emails,
        _verify_staff_email,
        "mutation requestEmailVerification",
        "/profile",
        STAFF,
        may_wait=False,
    ),
    Item(
        "VERIFY_MOBILE",
        marked("Verify your mobile number"),
        lambda facts: facts.unverified_mobiles,
        _verify_staff_mobile,
        "mutation requestMobileVerification",
        "/profile",
        STAFF,
    ),
    Item(
        "CREATE_CUSTOMER",
        marked("Create your first customer"),
        lambda facts: int(facts.customers == 0),
        lambda _: texts.Text("Calls are taken only for customers that are known."),
        "mutation createCustomer",
        "/customers",
        _SERVING,
    ),
    Item(
        "SET_UP_CARRIER",
        marked("Set up a carrier"),
        lambda facts: int(facts.carriers == 0),
        lambda _: texts.Text("Calls are shown and costed by the carrier that terminates them."),
        "mutation createCarrier",
        "/carriers",
        _SERVING,
    ),
    Item(
        "SET_NUMBER_RANGE",
        marked("Set the range of internal numbers"),
        lambda facts: int(not facts.has_number_range),
        lambda _: texts.Text("Customers' number blocks are taken from it."),
        "mutation setNumberRange",
        "/numbers",
        _SERVING,
    ),
    Item(
        "ENABLE_TWO_FACTOR",
        marked("Protect owners by a second factor"),
        _owners,
        _second_factor,
        "mutation enableTwoFactor",
        "/profile",
        STAFF,
    ),
    Item(
        "QUARANTINED_RECORDS",
        marked("Call records that were refused"),
        lambda facts: int(facts.quarantined > 0),
        lambda facts: texts.Text(
            "Correct and replay them, or discard them: {number}.",
            {"number": at_most(facts.quarantined)},
        ),
        "query quarantine",
        "/quarantine",
        _SERVING,
    ),
    Item(
        "HELD_RECORDS",
        marked("Call records that contradict earlier ones"),
        lambda facts: int(facts.held > 0),
        lambda facts: texts.Text(
            "Accept or discard them; until then they count nowhere: {number}.",
            {"number": at_most(facts.held)},
        ),
        "query heldRecords",
        "/quarantine",
        _SERVING,
    ),
    Item(
        "UNRATED_CALLS",
        marked("Calls without a rate"),
        lambda facts: int(facts.unrated_calls > 0),
        lambda facts: _unrated(facts.unrated_calls),
        "query unratedCalls",
        "/rates",
        STAFF,
    ),
)


def _unrated(number: int) -> texts.Text:
    return texts.counted(
        "{count:,} call matches no rate; it cannot be invoiced before it is rated or waived.",
        "{count:,} calls match no rate; they cannot be invoiced before they are rated or waived.",
        number,
    )


COUNTED_TO = 1_000  # records that wait for staff; of more it is only known that they are more


def at_most(number: int) -> str:
    return f"{COUNTED_TO}+" if number > COUNTED_TO else str(number)


# What is asked of them ---------------------------------------------------------------------------


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
