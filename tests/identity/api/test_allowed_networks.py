"""Contacts who can sign in only from some networks."""

import pytest

from runtime.settings import Settings
from tests.support.api.browsers import (
    VIEWER,
    At,
    allow,
    new_address,
    new_contact,
    sessions_of,
    signed_in_as,
)
from tests.support.api.callers import Carrier
from tests.support.api.sockets import closed, signed_in


async def test_outside_the_allowed_networks_signing_in_and_sessions_are_refused(
    carrier: Carrier,
) -> None:
    person, contact, email = await new_contact(carrier)
    inside, outside = At(carrier.url), At(carrier.url, person.token)
    socket_from = {"additional_headers": {"X-Forwarded-For": outside.address}}
    async with signed_in(carrier.url, person.token, **socket_from) as socket:
        allowed = [f"{inside.address}/32", f"{person.address}/32"]
        contact_data = await allow(carrier.owner, contact, inside.address, person.address)
        assert sorted(contact_data["allowedNetworks"]) == sorted(allowed)
        assert await closed(socket) == 4403
    assert await outside.code(VIEWER) == "ADDRESS_NOT_ALLOWED"
    assert await person.ask(VIEWER)
    assert (await outside.there().login(email))["code"] == "ADDRESS_NOT_ALLOWED"
    wrong = await outside.there().login(email, "not the password")
    assert wrong["code"] == "WRONG_CREDENTIALS"
    assert "token" in await inside.login(email)
    staff = await signed_in_as(carrier.owner, contact)
    assert await staff.ask(VIEWER)


async def test_a_contact_sets_its_own_networks_but_cannot_lock_itself_out(
    carrier: Carrier,
) -> None:
    person, contact, _ = await new_contact(carrier)
    answer = await allow(person, contact, "203.0.113.0/24")
    assert (answer["code"], answer["field"]) == ("WOULD_LOCK_OUT", "networks")
    assert person.address in answer["message"]
    node = await allow(person, contact, "203.0.113.0/24", person.address)
    assert len(node["allowedNetworks"]) == 2
    assert await person.ask(VIEWER)
    assert (await allow(person, contact))["allowedNetworks"] == []
    answer = await allow(person, contact, "203.0.113.7/24")
    assert (answer["code"], answer["field"]) == ("INVALID", "networks")


async def test_networks_of_colleagues_and_other_customers_cannot_be_set(
    carrier: Carrier, other: Carrier
) -> None:
    customer = await carrier.customer()
    person, _, _ = await new_contact(carrier, customer)
    _, colleague, _ = await new_contact(carrier, customer)
    assert (await allow(person, colleague))["code"] == "FORBIDDEN"
    assert (await allow(await carrier.staff("FINANCE"), colleague))["code"] == "FORBIDDEN"
    assert (await allow(other.owner, colleague))["code"] == "NOT_FOUND"


async def test_only_a_trusted_proxy_can_set_the_source_address_of_a_request(
    carrier: Carrier,
) -> None:
    """The last address that is not a proxy's: the client may have invented those before it."""
    _, _, email = await new_contact(carrier)
    real = new_address()
    person = At(carrier.url, address=f"203.0.113.9, {real}, 127.0.0.1")
    await person.login(email)
    assert (await sessions_of(person))[0]["address"] == real


@pytest.mark.parametrize("odd", ["*", "proxy.example", "", "10.0.0.1/8", "127.0.0.1,"])
def test_an_invalid_network_cannot_be_a_trusted_proxy(odd: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(trusted_proxies=odd)
    assert Settings(trusted_proxies="10.0.0.0/8, ::1").trusted_proxies
