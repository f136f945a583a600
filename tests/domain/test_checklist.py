from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import checklist, refusals
from domain.callers import Kind, Role
from domain.checklist import AccountFacts, CustomerFacts
from domain.checklist_items import OF_ACCOUNT, OF_CUSTOMER

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SOME = st.integers(0, 3)
_MISSING = st.lists(st.sampled_from(list(checklist.PROFILE)), unique=True).map(tuple)
_MOBILE = st.none() | st.just("+441632960000")
_CUSTOMERS = st.builds(
    CustomerFacts, _SOME, _SOME, _MISSING, st.booleans(), _SOME, _SOME, st.booleans(), _MOBILE
)
_FEW = (_SOME, _SOME, _SOME, _SOME, st.booleans(), _SOME, _SOME, _SOME, _SOME)
_ACCOUNTS = st.builds(AccountFacts, *_FEW, st.booleans(), _MOBILE, st.booleans(), st.booleans())

NOTHING = CustomerFacts(0, 0, (), True, 0, 0)
ALL_SET = AccountFacts(0, 0, 1, 1, True, 0, 0, 0, 0)


@given(_CUSTOMERS)
def test_a_customers_item_is_open_exactly_while_its_condition_holds(facts: CustomerFacts) -> None:
    assert checklist.open_items(OF_CUSTOMER, facts) == {
        code: number
        for code, number in {
            "VERIFY_EMAIL": facts.unverified_emails,
            "VERIFY_MOBILE": facts.unverified_mobiles,
            "COMPLETE_PROFILE": 1 if facts.missing else 0,
            "ASSIGN_RATE_CARD": 0 if facts.has_rate_card else 1,
            "PAYMENT_OVERDUE": min(facts.overdue, 1),
            "UNRATED_CALLS": min(facts.unrated_calls, 1),
        }.items()
        if number
    }


@given(_ACCOUNTS)
def test_an_accounts_item_is_open_exactly_while_its_condition_holds(facts: AccountFacts) -> None:
    owners = int(facts.asks_without_factor) if facts.asked_by_owner else facts.owners_without_factor
    assert checklist.open_items(OF_ACCOUNT, facts) == {
        code: number
        for code, number in {
            "VERIFY_EMAIL": facts.unverified_emails,
            "VERIFY_MOBILE": facts.unverified_mobiles,
            "CREATE_CUSTOMER": 0 if facts.customers else 1,
            "SET_UP_CARRIER": 0 if facts.carriers else 1,
            "SET_NUMBER_RANGE": 0 if facts.has_number_range else 1,
            "ENABLE_TWO_FACTOR": owners,
            "QUARANTINED_RECORDS": min(facts.quarantined, 1),
            "HELD_RECORDS": min(facts.held, 1),
            "UNRATED_CALLS": min(facts.unrated_calls, 1),
        }.items()
        if number
    }


@pytest.mark.parametrize("items", [OF_CUSTOMER, OF_ACCOUNT])
def test_every_item_has_a_code_of_its_own_and_says_what_to_do_and_where(
    items: tuple[checklist.Item[object], ...],
) -> None:
    codes = [item.code for item in items]
    assert len(codes) == len(set(codes))
    for item in items:
        assert item.action.split()[0] in ("mutation", "query")
        assert item.where.startswith("/")


OF_NO_CONTACT = {"COMPLETE_PROFILE", "ASSIGN_RATE_CARD", "UNRATED_CALLS"}
_VIEWERS: list[checklist.Doer] = [*Role, Kind.CONTACT, Kind.KEY]


@given(_CUSTOMERS, st.sampled_from(["en", "de", "es", "xx"]), st.sampled_from(_VIEWERS))
def test_what_is_shown_is_what_is_open_to_whoever_can_put_it_right(
    facts: CustomerFacts, language: str, viewer: checklist.Doer
) -> None:
    shown = checklist.outstanding(OF_CUSTOMER, facts, language, viewer)
    not_shown: set[str] = set()
    if viewer is Kind.CONTACT:
        not_shown = OF_NO_CONTACT
    elif viewer is Role.FINANCE:
        not_shown = {"COMPLETE_PROFILE", "ASSIGN_RATE_CARD"}
    is_open = checklist.open_items(OF_CUSTOMER, facts)
    assert [item.code for item in shown] == [code for code in is_open if code not in not_shown]
    assert all(item.title and item.detail and "{" not in item.detail for item in shown)


@given(_ACCOUNTS)
def test_every_item_of_an_account_can_be_said(facts: AccountFacts) -> None:
    shown = checklist.outstanding(OF_ACCOUNT, facts, "en", Role.OWNER)
    assert [item.code for item in shown] == list(checklist.open_items(OF_ACCOUNT, facts))
    assert all(item.title and item.detail and "{" not in item.detail for item in shown)


def test_one_call_more_without_a_rate_is_no_other_checklist() -> None:
    def is_open(**changes: int) -> dict[str, int]:
        return checklist.open_items(OF_CUSTOMER, replace(NOTHING, **changes))

    assert is_open(unrated_calls=1) == is_open(unrated_calls=7)
    assert is_open(overdue=1) == is_open(overdue=2)
    assert is_open(unverified_emails=1) != is_open(unverified_emails=2)


def _details(facts: CustomerFacts, viewer: checklist.Doer) -> list[str]:
    return [item.detail for item in checklist.outstanding(OF_CUSTOMER, facts, "en", viewer)]


def test_a_contact_is_told_what_to_do_and_others_how_many_have_to() -> None:
    asked = replace(NOTHING, unverified_emails=1, unverified_mobiles=1, asked_by_contact=True)
    assert _details(asked, Kind.CONTACT) == [
        "Request a message and open the link in it.",
        "Add a mobile number to your profile, then verify it.",
    ]
    others = replace(NOTHING, unverified_emails=3, missing=("street", "city"))
    assert _details(others, Role.OWNER) == [
        "Yet to be done by 3 of the customer's contacts.",
        "Fill in what is missing: street, city.",
    ]


def test_staff_are_told_what_to_verify_themselves_and_programs_how_many_have_to() -> None:
    def details(**changes: object) -> list[str]:
        facts = replace(ALL_SET, unverified_emails=1, unverified_mobiles=2)
        shown = checklist.outstanding(OF_ACCOUNT, replace(facts, **changes), "en", Role.OWNER)
        return [item.detail for item in shown]

    assert details() == [
        "Yet to be done by 1 of the account's staff.",
        "Yet to be done by 2 of the account's staff.",
    ]
    assert details(asked_by_staff=True) == [
        "Request a message and open the link in it.",
        "Add a mobile number to your profile, then verify it.",
    ]
    own = details(asked_by_staff=True, mobile="+441632960000")
    assert own[1] == "Verify your mobile number +441632960000."


def test_an_owner_is_told_of_its_own_second_factor_and_others_how_many_have_none() -> None:
    def detail(facts: AccountFacts) -> list[str]:
        shown = checklist.outstanding(OF_ACCOUNT, facts, "en", Role.OWNER)
        return [item.detail for item in shown]

    two = replace(ALL_SET, owners_without_factor=2)
    assert detail(two) == ["Yet to be done by 2 of the account's owners."]
    assert detail(replace(two, asked_by_owner=True)) == []
    [own] = detail(replace(two, asked_by_owner=True, asks_without_factor=True))
    assert own.startswith("An owner can change everything here")


def test_so_many_records_that_they_are_not_counted_are_said_to_be_more() -> None:
    many = replace(ALL_SET, quarantined=checklist.COUNTED_TO + 1)
    [item] = checklist.outstanding(OF_ACCOUNT, many, "en", Role.OWNER)
    assert "1000+" in item.detail


@given(st.timedeltas(timedelta(days=-10), timedelta(days=200)))
def test_an_item_that_may_wait_waits_at_most_90_days(wait: timedelta) -> None:
    until = NOW + wait
    if timedelta(0) < wait <= timedelta(days=90):
        assert checklist.snooze_until(OF_CUSTOMER, "VERIFY_MOBILE", until, NOW) == until
        return
    with pytest.raises(refusals.Refusal) as refused:
        checklist.snooze_until(OF_CUSTOMER, "VERIFY_MOBILE", until, NOW)
    assert (refused.value.code, refused.value.field) == ("INVALID", "until")


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("PAYMENT_OVERDUE", "NOT_SNOOZABLE"),
        ("VERIFY_EMAIL", "NOT_SNOOZABLE"),
        ("NO_SUCH_ITEM", "NOT_FOUND"),
        ("CREATE_CUSTOMER", "NOT_FOUND"),
    ],
)
def test_what_is_urgent_or_unknown_cannot_be_snoozed(code: str, refusal: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        checklist.snooze_until(OF_CUSTOMER, code, NOW + timedelta(days=1), NOW)
    assert refused.value.code == refusal
