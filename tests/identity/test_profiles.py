import pytest

from domain import refusals
from domain.directory import profiles


def test_only_fields_that_are_set_change_and_null_clears_a_field() -> None:
    fields = {"street": None, "city": " Berlin ", "country": "DE"}
    assert profiles.validate(profiles.CUSTOMER, fields) == {
        "street": None,
        "city": "Berlin",
        "country": "DE",
    }


@pytest.mark.parametrize("name", ["name", "currency", "language", "payment_days", "status"])
def test_required_fields_of_a_customer_cannot_be_cleared(name: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        profiles.validate(profiles.CUSTOMER, {name: None})
    assert (error.value.code, error.value.field) == ("INVALID", profiles.to_camel_case(name))


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
def test_an_invalid_value_is_refused_with_its_field(name: str, value: object) -> None:
    with pytest.raises(refusals.Refusal) as error:
        profiles.validate(profiles.CUSTOMER, {name: value})
    assert (error.value.code, error.value.field) == ("INVALID", profiles.to_camel_case(name))


def test_notes_can_have_line_breaks_and_no_other_control_characters() -> None:
    values = profiles.validate(profiles.CONTACT_BY_STAFF, {"notes": " Call\r\nbefore noon. "})
    assert values == {"notes": "Call\nbefore noon."}
    with pytest.raises(refusals.Refusal):
        profiles.validate(profiles.CONTACT_BY_STAFF, {"notes": "a\x00b"})


def test_a_login_cannot_write_notes_about_itself() -> None:
    assert "notes" not in profiles.CONTACT


@pytest.mark.parametrize("text", [None, "", "   "])
def test_an_empty_search_returns_everything(text: str | None) -> None:
    assert profiles.validate_search(text) is None


@pytest.mark.parametrize("text", ["x" * 101, "a\x00", "\ud800"])
def test_an_invalid_search_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        profiles.validate_search(text)
    assert (error.value.code, error.value.field) == ("INVALID", "search")
