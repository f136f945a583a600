from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.checklists import conditions
from domain.checklists.checklist_items import ACCOUNT_ITEMS, CUSTOMER_ITEMS
from domain.checklists.conditions import AccountFacts, CustomerFacts
from domain.identity.callers import Kind, Role

T = TypeVar("T")

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_MISSING = st.lists(st.sampled_from(list(conditions.PROFILE_COLUMNS)), unique=True).map(tuple)
_STRATEGIES = {
    int: st.integers(0, 3),
    bool: st.booleans(),
    tuple[str, ...]: _MISSING,
    str | None: st.none() | st.just("+441632960000"),
}


def _any(facts: type[T]) -> st.SearchStrategy[T]:
    values = {name: _STRATEGIES[kind] for name, kind in get_type_hints(facts).items()}
    return st.builds(facts, **values)


NOTHING = CustomerFacts(
    unverified_emails=0,
    unverified_mobiles=0,
    missing=(),
    has_rate_card=True,
    overdue=0,
    unrated_calls=0,
)
ALL_SET = AccountFacts(
    unverified_emails=0,
    unverified_mobiles=0,
    customers=1,
    carriers=1,
    has_number_range=True,
    owners_without_factor=0,
    quarantined=0,
    held=0,
    unrated_calls=0,
)


@given(_any(CustomerFacts))
def test_an_item_of_a_customer_is_open_exactly_while_its_condition_holds(
    facts: CustomerFacts,
) -> None:
    assert conditions.open_counts(CUSTOMER_ITEMS, facts) == {
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


@given(_any(AccountFacts))
def test_an_item_of_an_account_is_open_exactly_while_its_condition_holds(
    facts: AccountFacts,
) -> None:
    owners = int(facts.owner_lacks_factor) if facts.is_for_owner else facts.owners_without_factor
    assert conditions.open_counts(ACCOUNT_ITEMS, facts) == {
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


@pytest.mark.parametrize("items", [CUSTOMER_ITEMS, ACCOUNT_ITEMS])
def test_every_item_has_a_unique_code_an_instruction_and_a_location(
    items: tuple[conditions.Item[object], ...],
) -> None:
    codes = [item.code for item in items]
    assert len(codes) == len(set(codes))
    for item in items:
        assert item.action.split()[0] in ("mutation", "query")
        assert item.where.startswith("/")


OF_NO_CONTACT = {"COMPLETE_PROFILE", "ASSIGN_RATE_CARD", "UNRATED_CALLS"}
_VIEWERS: list[conditions.Assignee] = [*Role, Kind.CONTACT, Kind.KEY]


@given(_any(CustomerFacts), st.sampled_from(["en", "de", "es", "xx"]), st.sampled_from(_VIEWERS))
def test_a_checklist_shows_the_open_items_that_the_caller_can_resolve(
    facts: CustomerFacts, language: str, viewer: conditions.Assignee
) -> None:
    items = conditions.outstanding_items(CUSTOMER_ITEMS, facts, language, viewer)
    not_shown: set[str] = set()
    if viewer is Kind.CONTACT:
        not_shown = OF_NO_CONTACT
    elif viewer is Role.FINANCE:
        not_shown = {"COMPLETE_PROFILE", "ASSIGN_RATE_CARD"}
    is_open = conditions.open_counts(CUSTOMER_ITEMS, facts)
    assert [item.code for item in items] == [code for code in is_open if code not in not_shown]
    assert all(item.title and item.detail and "{" not in item.detail for item in items)


@given(_any(AccountFacts))
def test_every_item_of_an_account_has_a_text(facts: AccountFacts) -> None:
    items = conditions.outstanding_items(ACCOUNT_ITEMS, facts, "en", Role.OWNER)
    assert [item.code for item in items] == list(conditions.open_counts(ACCOUNT_ITEMS, facts))
    assert all(item.title and item.detail and "{" not in item.detail for item in items)


def test_one_more_unrated_call_does_not_change_the_checklist() -> None:
    def is_open(**changes: int) -> dict[str, int]:
        return conditions.open_counts(CUSTOMER_ITEMS, replace(NOTHING, **changes))

    assert is_open(unrated_calls=1) == is_open(unrated_calls=7)
    assert is_open(overdue=1) == is_open(overdue=2)
    assert is_open(unverified_emails=1) != is_open(unverified_emails=2)


def _details(facts: CustomerFacts, viewer: conditions.Assignee) -> list[str]:
    return [
        item.detail for item in conditions.outstanding_items(CUSTOMER_ITEMS, facts, "en", viewer)
    ]


def test_a_contact_sees_its_tasks_and_other_callers_the_number_of_contacts_with_tasks() -> None:
    checklist_facts = replace(
        NOTHING, unverified_emails=1, unverified_mobiles=1, is_for_contact=True
    )
    assert _details(checklist_facts, Kind.CONTACT) == [
        "Request a message and open the link in it.",
        "Add a mobile number to your profile, then verify it.",
    ]
    others = replace(NOTHING, unverified_emails=3, missing=("street", "city"))
    assert _details(others, Role.OWNER) == [
        "Still open for 3 of the customer's contacts.",
        "Enter the missing values: street, city.",
    ]


def test_staff_see_their_verifications_and_programs_the_number_of_staff_with_any() -> None:
    def details(**changes: object) -> list[str]:
        facts = replace(ALL_SET, unverified_emails=1, unverified_mobiles=2)
        items = conditions.outstanding_items(
            ACCOUNT_ITEMS, replace(facts, **changes), "en", Role.OWNER
        )
        return [item.detail for item in items]

    assert details() == [
        "Still open for 1 of the account's staff.",
        "Still open for 2 of the account's staff.",
    ]
    assert details(is_for_staff=True) == [
        "Request a message and open the link in it.",
        "Add a mobile number to your profile, then verify it.",
    ]
    own = details(is_for_staff=True, mobile="+441632960000")
    assert own[1] == "Verify your mobile number +441632960000."


def test_an_owner_sees_its_own_second_factor_and_others_how_many_owners_lack_it() -> None:
    def detail(facts: AccountFacts) -> list[str]:
        items = conditions.outstanding_items(ACCOUNT_ITEMS, facts, "en", Role.OWNER)
        return [item.detail for item in items]

    two = replace(ALL_SET, owners_without_factor=2)
    assert detail(two) == ["Still open for 2 of the account's owners."]
    assert detail(replace(two, is_for_owner=True)) == []
    [own] = detail(replace(two, is_for_owner=True, owner_lacks_factor=True))
    assert own.startswith("An owner can change everything")


def test_a_count_above_its_limit_is_described_as_more_than_the_limit() -> None:
    many = replace(ALL_SET, quarantined=conditions.MAX_COUNTED_RECORDS + 1)
    [item] = conditions.outstanding_items(ACCOUNT_ITEMS, many, "en", Role.OWNER)
    assert "1000+" in item.detail


@given(st.timedeltas(timedelta(days=-10), timedelta(days=200)))
def test_an_item_can_be_snoozed_for_at_most_90_days(wait: timedelta) -> None:
    until = NOW + wait
    if timedelta(0) < wait <= timedelta(days=90):
        assert conditions.validate_snooze(CUSTOMER_ITEMS, "VERIFY_MOBILE", until, NOW) == until
        return
    with pytest.raises(refusals.Refusal) as error:
        conditions.validate_snooze(CUSTOMER_ITEMS, "VERIFY_MOBILE", until, NOW)
    assert (error.value.code, error.value.field) == ("INVALID", "until")


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("PAYMENT_OVERDUE", "NOT_SNOOZABLE"),
        ("VERIFY_EMAIL", "NOT_SNOOZABLE"),
        ("NO_SUCH_ITEM", "NOT_FOUND"),
        ("CREATE_CUSTOMER", "NOT_FOUND"),
    ],
)
def test_urgent_and_unknown_items_cannot_be_snoozed(code: str, refusal: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        conditions.validate_snooze(CUSTOMER_ITEMS, code, NOW + timedelta(days=1), NOW)
    assert error.value.code == refusal
