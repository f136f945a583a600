"""IP addresses of requests, and the networks that a person may sign in from."""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from domain import refusals

MAX_NETWORKS = 50  # networks of one person
_HIGHEST_PORT = 65_535
_IPV6_SITE = 64  # bits: the prefix of one subscriber (RFC 6177), who changes addresses within it


def parse_address(text: str | None) -> str | None:
    """An IP address in its stored form (IPv4 if mapped into IPv6); None if it is none."""
    try:
        parsed = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


_WITH_PORT = re.compile(
    r"(?P<ipv4>[0-9.]+):(?P<port4>[0-9]{1,5})|\[(?P<ipv6>[0-9A-Fa-f:.]+)\](?::(?P<port6>[0-9]{1,5}))?"
)


@lru_cache(maxsize=10_000)
def parse_source_address(text: str) -> str:
    """The address of a call's `source_ip`, in the form of RFC 5952. Raises Refusal BAD_ADDRESS.

    Also accepts `IPv4:port`, `[IPv6]` and `[IPv6]:port`.
    """
    version, bare = None, text
    parts = _WITH_PORT.fullmatch(text)
    if parts is not None and int(parts["port4"] or parts["port6"] or 0) <= _HIGHEST_PORT:
        version, bare = (4, parts["ipv4"]) if parts["ipv4"] else (6, parts["ipv6"])
    try:
        ip_address = ipaddress.ip_address(bare)
    except ValueError:
        ip_address = None
    if ip_address is None or "%" in text or version not in (None, ip_address.version):
        raise refusals.Refusal(
            "BAD_ADDRESS", "source_ip has to be an IPv4 or IPv6 address.", "source_ip"
        )
    return str(ip_address)


def site(address: str) -> str:
    """The network that counts as one sender: an IPv4 address, the /64 of an IPv6 one."""
    version = ipaddress.ip_address(address).version
    bits = 32 if version == 4 else _IPV6_SITE
    return str(ipaddress.ip_network((address, bits), strict=False))


def parse(entered: Iterable[str], field: str = "networks") -> list[str]:
    """Networks in CIDR notation, without duplicates, in order. Refuses INVALID."""
    networks = sorted({_parse_network(text.strip(), field) for text in entered}, key=_sort_key)
    if len(networks) > MAX_NETWORKS:
        raise refusals.Refusal("INVALID", "Set at most {most} networks.", field, most=MAX_NETWORKS)
    return [str(network) for network in networks]


def is_allowed(networks: tuple[str, ...], address: str | None) -> bool:
    """Whether one of the networks contains the address. Without networks, all are allowed."""
    return not networks or (address is not None and _contain(networks, address))


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is an Internet host without an embedded address.

    A gateway may translate an embedded address to one of a private network.
    """
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address not in _RELAYS_OF_6TO4
    return address in _GLOBAL_UNICAST and not any(address in part for part in _NOT_HOSTS)


# RFC 4291: addresses outside it are IPv4-compatible, NAT64, site-local or not yet assigned.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_HOSTS = (
    ipaddress.IPv6Network("2001::/23"),  # Teredo and other protocols
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)
_RELAYS_OF_6TO4 = ipaddress.IPv4Network("192.88.99.0/24")


@lru_cache(maxsize=4_096)
def _contain(networks: tuple[str, ...], address: str) -> bool:
    ip_address = ipaddress.ip_address(address)
    return any(ip_address in ipaddress.ip_network(network) for network in networks)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _parse_network(text: str, field: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise refusals.Refusal(
            "INVALID",
            "Set addresses or networks whose host bits are 0, such as 192.0.2.7, 192.0.2.0/24 or"
            " 2001:db8::/32.",
            field,
        ) from None


def _sort_key(network: _Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
