"""Origins (RFC 6454) of the web pages that may call Callboard, besides its own pages."""

import re
from dataclasses import dataclass

# Pages that a developer serves on the same machine, at any port.
DEVELOPMENT = "http://localhost:*,http://127.0.0.1:*"

_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?P<port>:[0-9]{1,5}|:\*)?"
)
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
_PORT = re.compile(r":[0-9]+$")


@dataclass(frozen=True, slots=True)
class AllowedOrigins:
    """Exact origins, and origins without their port whose ports are all allowed."""

    exact: frozenset[str] = frozenset()
    at_any_port: frozenset[str] = frozenset()

    def allow(self, origin: str) -> bool:
        """Whether a browser that sends this `Origin` header may read answers."""
        return origin in self.exact or _PORT.sub("", origin) in self.at_any_port


def parse(text: str) -> AllowedOrigins:
    """The origins of a list separated by commas; ValueError names the one that is not valid."""
    exact: set[str] = set()
    at_any_port: set[str] = set()
    for part in text.split(","):
        origin = part.strip().lower()
        if not origin:
            continue
        match = _ORIGIN.fullmatch(origin)
        if match is None:
            raise ValueError(f"{part.strip()} is not an origin such as https://portal.example")
        scheme, host, port = match.groups()
        if port == ":*":
            if host not in _LOOPBACK:
                raise ValueError(f"{part.strip()}: only localhost may have the port *")
            at_any_port.add(f"{scheme}://{host}")
        else:
            is_default = port == _DEFAULT_PORTS.get(scheme)
            exact.add(f"{scheme}://{host}{'' if is_default or port is None else port}")
    return AllowedOrigins(frozenset(exact), frozenset(at_any_port))
