"""Posts messages to the webhooks of alert rules, signed (docs/alerts.md)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from domain import alert_messages, messages

if TYPE_CHECKING:
    import httpx2

_SECONDS = 10.0  # for a whole request

# What another try may mend; else 4xx says that the receiver wants none of it.
_AGAIN = {401, 403, 404, 408, 425, 429}

Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]


def read_networks(text: str) -> Networks:
    """Of a list with commas between. ValueError."""
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


@cache
def _trusted() -> ssl.SSLContext:
    """Once: reading the certificates takes as long as many posts."""
    import httpx2

    return httpx2.create_ssl_context()


@dataclass(frozen=True, slots=True)
class Poster:
    """`secret_key` is what the secrets of the rules are made of; `networks` are posted to, beside
    public addresses."""

    secret_key: str = field(repr=False)
    networks: Networks = ()

    async def send(self, letter: messages.Letter) -> None:
        """2xx is success; a redirect is not followed, an answer's body not read. Raises
        `messages.NotSentError`, which names nothing of the address."""
        import httpx2

        try:
            async with asyncio.timeout(_SECONDS):
                status = await self._post(letter)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            reason = f"the webhook was not reached: {type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error
        if not 200 <= status < 300:
            final = 400 <= status < 500 and status not in _AGAIN
            raise messages.NotSentError(f"the webhook answered {status}", final=final)

    async def _post(self, letter: messages.Letter) -> int:
        """The answer's status. Posts to the very address that was looked at, whatever the name
        stands for a moment later; a proxy of the environment would look the name up itself."""
        import httpx2

        url, body = httpx2.URL(letter.recipient), alert_messages.body(letter)
        account_id, rule_id = int(letter.detail["account_id"]), int(letter.detail["rule_id"])
        secret = alert_messages.secret(self.secret_key, account_id, rule_id)
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Callboard",
            "Callboard-Signature": alert_messages.signature(secret, letter.at, body),
        }
        there = url.copy_with(host=await self._address(url))
        name = {"sni_hostname": url.host}  # whose certificate it has to show
        straight = httpx2.AsyncHTTPTransport(verify=_trusted())
        async with (
            httpx2.AsyncClient(transport=straight, timeout=_SECONDS, trust_env=False) as client,
            client.stream("POST", there, content=body, headers=headers, extensions=name) as answer,
        ):
            return answer.status_code

    async def _address(self, url: "httpx2.URL") -> str:
        """The first that may be posted to, of those the host's name stands for."""
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(
            url.raw_host.decode(), port, type=socket.SOCK_STREAM
        )
        for *_, address in found:
            if self._may_post_to(str(address[0])):
                return str(address[0])
        reason = "the webhook's address is not public: see CALLBOARD_WEBHOOK_NETWORKS"
        raise messages.NotSentError(reason, final=True)

    def _may_post_to(self, address: str) -> bool:
        ip = ip_address(address)
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return ip.is_global or any(ip in network for network in self.networks)
