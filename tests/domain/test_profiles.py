import pytest

from domain import profiles, refusals


def test_only_what_is_given_is_changed_and_null_clears() -> None:
    given = {"street": None, "city": " Berlin ", "country": "DE"}
    assert profiles.checked(profiles.CUSTOMER, given) == {
        "street": None,
        "city": "Berlin",
        "country": "DE",
    }


@pytest.mark.parametrize("name", ["name", "currency", "language", "payment_days", "status"])
def test_what_a_customer_must_have_cannot_be_cleared(name: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        profiles.checked(profiles.CUSTOMER, {name: None})
    assert (refused.value.code, refused.value.field) == ("INVALID", profiles.camel(name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("country", "XX"),
        ("country", "de"),
        ("country", "ZZ"),
        ("website", "acme.example"),
        ("website", "javascript:alert(1)"),
        ("phone", "01632 960000"),
        ("billing_email", "nobody"),
        ("payment_days", -1),
        ("payment_days", 366),
        ("legal_name", "a\nb"),
        ("street", ""),
        ("tax_number", "x" * 201),
        ("language", "German"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_field(name: str, value: object) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        profiles.checked(profiles.CUSTOMER, {name: value})
    assert (refused.value.code, refused.value.field) == ("INVALID", profiles.camel(name))


def test_notes_have_lines_and_no_other_control_characters() -> None:
    kept = profiles.checked(profiles.CONTACT_BY_STAFF, {"notes": " Call\r\nbefore noon. "})
    assert kept == {"notes": "Call\nbefore noon."}
    with pytest.raises(refusals.Refusal):
        profiles.checked(profiles.CONTACT_BY_STAFF, {"notes": "a\x00b"})


def test_nobody_writes_the_notes_about_himself() -> None:
    assert "notes" not in profiles.CONTACT


@pytest.mark.parametrize("text", [None, "", "   "])
def test_a_search_for_nothing_finds_everything(text: str | None) -> None:
    assert profiles.search(text) is None


@pytest.mark.parametrize("text", ["x" * 101, "a\x00", "\ud800"])
def test_a_search_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        profiles.search(text)
    assert (refused.value.code, refused.value.field) == ("INVALID", "search")
