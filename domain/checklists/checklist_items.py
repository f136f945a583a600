"""Every checklist item there is, a customer's and the account's; another is one more entry."""

from domain.checklists.conditions import (
    MAX_COUNTED_RECORDS,
    PROFILE_COLUMNS,
    AccountFacts,
    Assignee,
    CustomerFacts,
    Item,
)
from domain.identity.callers import Kind, Role
from domain.messaging import texts
from domain.messaging.texts import mark_text

STAFF: frozenset[Assignee] = frozenset(Role)
STAFF_AND_CONTACTS = STAFF | {Kind.CONTACT}
_OWNERS_AND_SUPPORT: frozenset[Assignee] = frozenset({Role.OWNER, Role.SUPPORT})


def _contact_email_detail(facts: CustomerFacts) -> texts.Text:
    if not facts.is_for_contact:
        return _contact_count(facts.unverified_emails)
    return _own_email_detail()


def _contact_mobile_detail(facts: CustomerFacts) -> texts.Text:
    if not facts.is_for_contact:
        return _contact_count(facts.unverified_mobiles)
    return _own_mobile_detail(facts.mobile)


def _staff_email_detail(facts: AccountFacts) -> texts.Text:
    return _own_email_detail() if facts.is_for_staff else _staff_count(facts.unverified_emails)


def _staff_mobile_detail(facts: AccountFacts) -> texts.Text:
    if not facts.is_for_staff:
        return _staff_count(facts.unverified_mobiles)
    return _own_mobile_detail(facts.mobile)


def _own_email_detail() -> texts.Text:
    return texts.Text("Request a message and open the link in it.")


def _own_mobile_detail(mobile: str | None) -> texts.Text:
    if mobile is None:
        return texts.Text("Add a mobile number to your profile, then verify it.")
    return texts.Text("Verify your mobile number {mobile}.", {"mobile": mobile})


def _contact_count(number: int) -> texts.Text:
    return texts.Text("Still open for {number} of the customer's contacts.", {"number": number})


def _staff_count(number: int) -> texts.Text:
    return texts.Text("Still open for {number} of the account's staff.", {"number": number})


def _profile_detail(facts: CustomerFacts) -> texts.Text:
    missing = [texts.Text(PROFILE_COLUMNS[column]) for column in facts.missing]
    return texts.Text("Enter the missing values: {missing}.", {"missing": missing})


def _second_factor_detail(facts: AccountFacts) -> texts.Text:
    if facts.is_for_owner:
        return texts.Text(
            "An owner can change everything. Protect your login with a second factor."
        )
    number = facts.owners_without_factor
    return texts.Text("Still open for {number} of the account's owners.", {"number": number})


def _count_owners(facts: AccountFacts) -> int:
    return int(facts.owner_lacks_factor) if facts.is_for_owner else facts.owners_without_factor


def _unrated_detail(number: int) -> texts.Text:
    return texts.pluralize(
        "{count:,} call matches no rate; it cannot be invoiced before it is rated or waived.",
        "{count:,} calls match no rate; they cannot be invoiced before they are rated or waived.",
        number,
    )


def _capped_count(number: int) -> str:
    return f"{MAX_COUNTED_RECORDS}+" if number > MAX_COUNTED_RECORDS else str(number)


CUSTOMER_ITEMS: tuple[Item[CustomerFacts], ...] = (
    Item(
        "VERIFY_EMAIL",
        mark_text("Verify your e-mail address"),
        lambda facts: facts.unverified_emails,
        _contact_email_detail,
        "mutation requestEmailVerification",
        "/profile",
        STAFF_AND_CONTACTS,
        may_wait=False,
    ),
    Item(
        "VERIFY_MOBILE",
        mark_text("Verify your mobile number"),
        lambda facts: facts.unverified_mobiles,
        _contact_mobile_detail,
        "mutation requestMobileVerification",
        "/profile",
        STAFF_AND_CONTACTS,
    ),
    Item(
        "COMPLETE_PROFILE",
        mark_text("Complete the company profile"),
        lambda facts: int(bool(facts.missing)),
        _profile_detail,
        "mutation updateCustomer",
        "/company",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "ASSIGN_RATE_CARD",
        mark_text("Assign a rate card"),
        lambda facts: int(not facts.has_rate_card),
        lambda _: texts.Text(
            "No rate card is in force. Calls are rated only if the switch rates them."
        ),
        "mutation assignRateCard",
        "/rates",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "PAYMENT_OVERDUE",
        mark_text("Payment is overdue"),
        lambda facts: int(facts.overdue > 0),
        lambda facts: texts.Text(
            "Overdue invoices: {number}. Pay them.",
            {"number": facts.overdue},
        ),
        "query invoices",
        "/invoices",
        STAFF_AND_CONTACTS,
        may_wait=False,
    ),
    Item(
        "UNRATED_CALLS",
        mark_text("Calls without a rate"),
        lambda facts: int(facts.unrated_calls > 0),
        lambda facts: _unrated_detail(facts.unrated_calls),
        "query unratedCalls",
        "/rates",
        STAFF,
    ),
)

ACCOUNT_ITEMS: tuple[Item[AccountFacts], ...] = (
    Item(
        "VERIFY_EMAIL",
        mark_text("Verify your e-mail address"),
        lambda facts: facts.unverified_emails,
        _staff_email_detail,
        "mutation requestEmailVerification",
        "/profile",
        STAFF,
        may_wait=False,
    ),
    Item(
        "VERIFY_MOBILE",
        mark_text("Verify your mobile number"),
        lambda facts: facts.unverified_mobiles,
        _staff_mobile_detail,
        "mutation requestMobileVerification",
        "/profile",
        STAFF,
    ),
    Item(
        "CREATE_CUSTOMER",
        mark_text("Create your first customer"),
        lambda facts: int(facts.customers == 0),
        lambda _: texts.Text("Calls are accepted only for existing customers."),
        "mutation createCustomer",
        "/customers",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "SET_UP_CARRIER",
        mark_text("Set up a carrier"),
        lambda facts: int(facts.carriers == 0),
        lambda _: texts.Text("Calls and costs are shown by the carrier that terminates the calls."),
        "mutation createCarrier",
        "/carriers",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "SET_NUMBER_RANGE",
        mark_text("Set the range of internal numbers"),
        lambda facts: int(not facts.has_number_range),
        lambda _: texts.Text("Number blocks of customers are assigned from this range."),
        "mutation setNumberRange",
        "/numbers",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "ENABLE_TWO_FACTOR",
        mark_text("Protect owners with a second factor"),
        _count_owners,
        _second_factor_detail,
        "mutation enableTwoFactor",
        "/profile",
        STAFF,
    ),
    Item(
        "QUARANTINED_RECORDS",
        mark_text("Call records that were refused"),
        lambda facts: int(facts.quarantined > 0),
        lambda facts: texts.Text(
            "Records in quarantine: {number}. Correct and replay them, or discard them.",
            {"number": _capped_count(facts.quarantined)},
        ),
        "query quarantine",
        "/quarantine",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "HELD_RECORDS",
        mark_text("Call records that contradict earlier ones"),
        lambda facts: int(facts.held > 0),
        lambda facts: texts.Text(
            "Held records, which are not counted: {number}. Accept or discard them.",
            {"number": _capped_count(facts.held)},
        ),
        "query heldRecords",
        "/quarantine",
        _OWNERS_AND_SUPPORT,
    ),
    Item(
        "UNRATED_CALLS",
        mark_text("Calls without a rate"),
        lambda facts: int(facts.unrated_calls > 0),
        lambda facts: _unrated_detail(facts.unrated_calls),
        "query unratedCalls",
        "/rates",
        STAFF,
    ),
)
