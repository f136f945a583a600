from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.identity import networks

ADDRESSES = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    ("text", "canonical_form"),
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
def test_an_address_has_one_canonical_form(text: str | None, canonical_form: str | None) -> None:
    assert networks.parse_address(text) == canonical_form


def test_a_sender_is_an_ipv4_address_or_an_ipv6_site() -> None:
    assert networks.site("192.0.2.7") == "192.0.2.7/32"
    assert networks.site("2001:db8:1:2:3::4") == networks.site("2001:db8:1:2:ffff::")
    assert networks.site("2001:db8:1:2::") != networks.site("2001:db8:1:3::")


def test_networks_are_stored_once_each_in_canonical_form() -> None:
    networks_as_text = ["2001:DB8::/32", " 192.0.2.7 ", "10.0.0.0/8", "192.0.2.7/32"]
    assert networks.parse(networks_as_text) == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    "odd", ["", "192.0.2.7/24", "example.com", "10.0.0.0/33", "10/8", "\ud800"]
)
def test_an_invalid_network_is_refused(odd: str) -> None:
    with pytest.raises(refusals.Refusal, match="host bits"):
        networks.parse([odd])


def test_a_list_that_is_too_long_is_refused() -> None:
    assert len(networks.parse(f"10.0.{n}.0/24" for n in range(50))) == 50
    with pytest.raises(refusals.Refusal, match="at most 50"):
        networks.parse(f"10.0.{n}.0/24" for n in range(51))


@given(ADDRESSES)
def test_without_a_list_every_address_is_allowed_and_with_one_only_its_networks(
    address: str,
) -> None:
    assert networks.is_allowed((), address)
    assert networks.is_allowed((), None)
    assert networks.is_allowed(("192.0.2.0/24", networks.site(address)), address)
    assert not networks.is_allowed(("192.0.2.0/24",), None)
    inside = address.startswith("192.0.2.")
    assert networks.is_allowed(("192.0.2.0/24",), address) == inside


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_an_internet_address_is_public(address: str) -> None:
    assert networks.is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.88.99.1",  # relay of 6to4
        "224.0.0.1",
        "239.1.2.3",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",  # compatible with IPv4
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",  # translated
        "64:ff9b::127.0.0.1",  # NAT64
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",  # 6to4
        "2002:808:808::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "fd00::1",
        "fe80::1",
        "fec0::1",  # site-local
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "3fff::1",
    ],
)
def test_an_address_that_can_route_into_a_private_network_is_not_public(address: str) -> None:
    assert not networks.is_public(ip_address(address))
