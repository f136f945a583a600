"""Every checklist item there is, a customer's and the account's; another is one more entry."""

from domain import texts
from domain.callers import Kind, Role
from domain.checklist import COUNTED_TO, PROFILE, AccountFacts, CustomerFacts, Doer, Item
from domain.texts import marked

STAFF: frozenset[Doer] = frozenset(Role)
ANYBODY = STAFF | {Kind.CONTACT}
_SERVING: frozenset[Doer] = frozenset({Role.OWNER, Role.SUPPORT})


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


def _unrated(number: int) -> texts.Text:
    return texts.counted(
        "{count:,} call matches no rate; it cannot be invoiced before it is rated or waived.",
        "{count:,} calls match no rate; they cannot be invoiced before they are rated or waived.",
        number,
    )


def _at_most(number: int) -> str:
    return f"{COUNTED_TO}+" if number > COUNTED_TO else str(number)


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
            {"number": _at_most(facts.quarantined)},
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
            {"number": _at_most(facts.held)},
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
