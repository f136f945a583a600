"""Where a request comes from, and the networks that a person may sign in from."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from domain import refusals

MOST = 50  # networks of one person
_IPV6_SITE = 64  # bits: what one subscriber has, RFC 6177; within it addresses change at will


def address(text: str | None) -> str | None:
    """An IP address as it is stored and compared, IPv4 where it is one within IPv6; else None."""
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def site(address: str) -> str:
    """The network that counts as one sender: an IPv4 address, the /64 of an IPv6 one."""
    version = ipaddress.ip_address(address).version
    bits = 32 if version == 4 else _IPV6_SITE
    return str(ipaddress.ip_network((address, bits), strict=False))


def parse(given: Iterable[str], field: str = "networks") -> list[str]:
    """Networks in CIDR notation, each once, in order; a bare address is a network of one."""
    found = sorted({_network(text.strip(), field) for text in given}, key=_order)
    if len(found) > MOST:
        raise refusals.Refusal("INVALID", "Give at most {most} networks.", field, most=MOST)
    return [str(network) for network in found]


def allow(networks: tuple[str, ...], address: str | None) -> bool:
    """Whether the address lies in one of them; without any, every address is allowed."""
    return not networks or (address is not None and _within(networks, address))


@lru_cache(maxsize=4_096)
def _within(networks: tuple[str, ...], address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network) for network in networks)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str, field: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise refusals.Refusal(
            "INVALID",
            "Give addresses or networks whose host bits are 0, such as 192.0.2.7, 192.0.2.0/24 or"
            " 2001:db8::/32.",
            field,
        ) from None


def _order(network: _Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
