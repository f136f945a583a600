import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import networks, refusals

ADDRESSES = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        (None, None),
        ("unknown", None),
        ("192.0.2.7:80", None),
        ("192.0.2", None),
    ],
)
def test_an_address_has_one_form(text: str | None, found: str | None) -> None:
    assert networks.address(text) == found


def test_one_sender_is_an_ipv4_address_or_a_site_of_ipv6() -> None:
    assert networks.site("192.0.2.7") == "192.0.2.7/32"
    assert networks.site("2001:db8:1:2:3::4") == networks.site("2001:db8:1:2:ffff::")
    assert networks.site("2001:db8:1:2::") != networks.site("2001:db8:1:3::")


def test_networks_are_kept_in_one_form_each_once() -> None:
    given = ["2001:DB8::/32", " 192.0.2.7 ", "10.0.0.0/8", "192.0.2.7/32"]
    assert networks.parse(given) == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    "odd", ["", "192.0.2.7/24", "example.com", "10.0.0.0/33", "10/8", "\ud800"]
)
def test_what_is_no_network_is_refused(odd: str) -> None:
    with pytest.raises(refusals.Refusal, match="host bits"):
        networks.parse([odd])


def test_there_is_an_end_to_a_list() -> None:
    assert len(networks.parse(f"10.0.{n}.0/24" for n in range(50))) == 50
    with pytest.raises(refusals.Refusal, match="at most 50"):
        networks.parse(f"10.0.{n}.0/24" for n in range(51))


@given(ADDRESSES)
def test_without_a_list_every_address_is_let_in_and_with_it_those_of_the_list(
    address: str,
) -> None:
    assert networks.allow((), address)
    assert networks.allow((), None)
    assert networks.allow(("192.0.2.0/24", networks.site(address)), address)
    assert not networks.allow(("192.0.2.0/24",), None)
    inside = address.startswith("192.0.2.")
    assert networks.allow(("192.0.2.0/24",), address) == inside
