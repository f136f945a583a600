"""What a customer still has to put right, as pure conditions over facts."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions look at: of the contact that asks, or of a customer with all of its own.

    `unverified_emails` and `unverified_mobiles` are contacts; who gave no number is among the
    latter. `mobile` is the asking contact's.
    """

    unverified_emails: int
    unverified_mobiles: int
    unrated_calls: int
    asked_by_contact: bool = False
    mobile: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """`open` is how many have it outstanding: contacts, or 1 where it is the customer's own."""

    code: str
    title: str
    open: Callable[[Facts], int]
    detail: Callable[[Facts], str]


@dataclass(frozen=True, slots=True)
class Outstanding:
    code: str
    title: str
    detail: str


def _email_detail(facts: Facts) -> str:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_emails)
    return "Request a message and open the link in it."


def _mobile_detail(facts: Facts) -> str:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_mobiles)
    if facts.mobile is None:
        return "Add a mobile number to your profile, then verify it."
    return f"Verify your mobile number {facts.mobile}."


def _of_contacts(number: int) -> str:
    return f"Yet to be done by {number} of the customer's contacts."


# Every item there is; another is one more entry.
ITEMS: tuple[Item, ...] = (
    Item(
        "VERIFY_EMAIL",
        "Verify your e-mail address",
        lambda facts: facts.unverified_emails,
        _email_detail,
    ),
    Item(
        "VERIFY_MOBILE",
        "Verify your mobile number",
        lambda facts: facts.unverified_mobiles,
        _mobile_detail,
    ),
    Item(
        "UNRATED_CALLS",
        "Calls without a rate",
        lambda facts: int(facts.unrated_calls > 0),
        lambda facts: (
            f"{facts.unrated_calls} calls match no rate; they cannot be invoiced before they do."
        ),
    ),
)


def outstanding(facts: Facts) -> list[Outstanding]:
    """The items whose condition is not met, in the order of `ITEMS`."""
    return [
        Outstanding(item.code, item.title, item.detail(facts)) for item in ITEMS if item.open(facts)
    ]


def open_items(facts: Facts) -> dict[str, int]:
    """How many have each outstanding item open, by its code. A customer is told when it changes."""
    return {item.code: item.open(facts) for item in ITEMS if item.open(facts)}
