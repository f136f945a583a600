"""What a customer still has to put right, as pure conditions over facts."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions look at. The first three are the asking contact's; None: none asks."""

    email_verified: bool | None
    mobile: str | None
    mobile_verified: bool | None
    unrated_calls: int


@dataclass(frozen=True, slots=True)
class Item:
    code: str
    title: str
    outstanding: Callable[[Facts], bool]
    detail: Callable[[Facts], str]


@dataclass(frozen=True, slots=True)
class Outstanding:
    code: str
    title: str
    detail: str


def _mobile_detail(facts: Facts) -> str:
    if facts.mobile is None:
        return "Add a mobile number to your profile, then verify it."
    return f"Verify your mobile number {facts.mobile}."


# Every item there is; another is one more entry.
ITEMS: tuple[Item, ...] = (
    Item(
        "VERIFY_EMAIL",
        "Verify your e-mail address",
        lambda facts: facts.email_verified is False,
        lambda facts: "Request a message and open the link in it.",
    ),
    Item(
        "VERIFY_MOBILE",
        "Verify your mobile number",
        lambda facts: facts.mobile_verified is False,
        _mobile_detail,
    ),
    Item(
        "UNRATED_CALLS",
        "Calls without a rate",
        lambda facts: facts.unrated_calls > 0,
        lambda facts: (
            f"{facts.unrated_calls} calls match no rate; they cannot be invoiced before they do."
        ),
    ),
)


def outstanding(facts: Facts) -> list[Outstanding]:
    """The items whose condition is not met, in the order of `ITEMS`."""
    return [
        Outstanding(item.code, item.title, item.detail(facts))
        for item in ITEMS
        if item.outstanding(facts)
    ]
