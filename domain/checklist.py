"""What a customer still has to put right, as pure conditions over facts."""

from collections.abc import Callable
from dataclasses import dataclass

from domain import texts


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
    detail: Callable[[Facts], texts.Text]


@dataclass(frozen=True, slots=True)
class Outstanding:
    """As it is said to whoever asked."""

    code: str
    title: str
    detail: str


def _email_detail(facts: Facts) -> texts.Text:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_emails)
    return texts.Text("Request a message and open the link in it.")


def _mobile_detail(facts: Facts) -> texts.Text:
    if not facts.asked_by_contact:
        return _of_contacts(facts.unverified_mobiles)
    if facts.mobile is None:
        return texts.Text("Add a mobile number to your profile, then verify it.")
    return texts.Text("Verify your mobile number {mobile}.", {"mobile": facts.mobile})


def _unrated_detail(facts: Facts) -> texts.Text:
    return texts.counted(
        "{count:,} call matches no rate; it cannot be invoiced before it does.",
        "{count:,} calls match no rate; they cannot be invoiced before they do.",
        facts.unrated_calls,
    )


def _of_contacts(number: int) -> texts.Text:
    return texts.counted(
        "Yet to be done by {count:,} of the customer's contacts.",
        "Yet to be done by {count:,} of the customer's contacts.",
        number,
    )


# Every item there is; another is one more entry.
ITEMS: tuple[Item, ...] = (
    Item(
        "VERIFY_EMAIL",
        texts.marked("Verify your e-mail address"),
        lambda facts: facts.unverified_emails,
        _email_detail,
    ),
    Item(
        "VERIFY_MOBILE",
        texts.marked("Verify your mobile number"),
        lambda facts: facts.unverified_mobiles,
        _mobile_detail,
    ),
    Item(
        "UNRATED_CALLS",
        texts.marked("Calls without a rate"),
        lambda facts: int(facts.unrated_calls > 0),
        _unrated_detail,
    ),
)


def outstanding(facts: Facts, language: str = texts.DEFAULT) -> list[Outstanding]:
    """The items whose condition is not met, in the order of `ITEMS`."""
    return [
        Outstanding(item.code, texts.say(language, item.title), item.detail(facts).said(language))
        for item in ITEMS
        if item.open(facts)
    ]


def open_items(facts: Facts) -> dict[str, int]:
    """How many have each outstanding item open, by its code. A customer is told when it changes."""
    return {item.code: item.open(facts) for item in ITEMS if item.open(facts)}
