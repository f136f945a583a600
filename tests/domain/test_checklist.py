from hypothesis import given
from hypothesis import strategies as st

from domain import checklist
from domain.checklist import Facts

_SOME = st.integers(0, 3)
_FACTS = st.builds(Facts, _SOME, _SOME, _SOME, st.booleans(), st.none() | st.just("+441632960000"))


def test_every_item_has_a_code_of_its_own() -> None:
    codes = [item.code for item in checklist.ITEMS]
    assert len(codes) == len(set(codes))


@given(_FACTS)
def test_what_is_outstanding_is_what_somebody_has_open(facts: Facts) -> None:
    shown = [item.code for item in checklist.outstanding(facts)]
    assert shown == list(checklist.open_items(facts))
    assert all(number > 0 for number in checklist.open_items(facts).values())


@given(_FACTS, _FACTS)
def test_who_asks_makes_no_difference_to_what_is_open(facts: Facts, other: Facts) -> None:
    same = Facts(
        facts.unverified_emails,
        facts.unverified_mobiles,
        facts.unrated_calls,
        other.asked_by_contact,
        other.mobile,
    )
    assert checklist.open_items(facts) == checklist.open_items(same)


def test_one_call_more_without_a_rate_is_no_other_checklist() -> None:
    assert checklist.open_items(Facts(0, 0, 1)) == checklist.open_items(Facts(0, 0, 7))
    assert checklist.open_items(Facts(1, 0, 0)) != checklist.open_items(Facts(2, 0, 0))


def test_a_contact_is_told_what_to_do_and_others_how_many_have_to() -> None:
    asked = Facts(1, 1, 0, asked_by_contact=True)
    assert [item.detail for item in checklist.outstanding(asked)] == [
        "Request a message and open the link in it.",
        "Add a mobile number to your profile, then verify it.",
    ]
    assert [item.detail for item in checklist.outstanding(Facts(3, 0, 2))] == [
        "Yet to be done by 3 of the customer's contacts.",
        "2 calls match no rate; they cannot be invoiced before they do.",
    ]
