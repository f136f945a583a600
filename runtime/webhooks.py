"""Posts signed messages to the webhooks of alert rules (docs/alerts.md)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from domain.alerting import alert_messages
from domain.identity import networks
from domain.messaging import messages

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_SECONDS = 10.0  # for a whole request

# Another try may succeed; any other 4xx is final.
_RETRY_STATUSES = {401, 403, 404, 408, 425, 429}

Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]


def read_networks(text: str) -> Networks:
    """The networks of a list separated by commas. Raises ValueError."""
    return tuple(ip_network(item.strip()) for item in text.split(",") if item.strip())


@cache
def _tls_context() -> ssl.SSLContext:
    """Created once, because reading the certificates takes as long as many posts."""
    import httpx2

    return httpx2.create_ssl_context()


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Posts to public addresses, and to `networks`. The secrets of the rules derive from
    `secret_key`."""

    secret_key: str = field(repr=False)
    networks: Networks = ()

    async def send(self, letter: messages.Letter) -> None:
        """Posts the message; only 2xx is a success. Follows no redirect and reads no body. Raises
        `messages.NotSentError`, whose message contains nothing of the address."""
        import httpx2

        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                status = await self._post(letter)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            reason = f"the webhook cannot be reached: {type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error
        if not 200 <= status < 300:
            final = 400 <= status < 500 and status not in _RETRY_STATUSES
            raise messages.NotSentError(f"the webhook answered {status}", final=final)

    async def _post(self, letter: messages.Letter) -> int:
        """The status of the answer. Posts to the address that was checked, even if the name then
        resolves to another one. Uses no proxy, because a proxy would resolve the name itself."""
        import httpx2

        url, body = httpx2.URL(letter.recipient), alert_messages.webhook_body(letter)
        account_id, rule_id = int(letter.detail["account_id"]), int(letter.detail["rule_id"])
        secret = alert_messages.webhook_secret(self.secret_key, account_id, rule_id)
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Callboard",
            "Callboard-Signature": alert_messages.signature(secret, letter.at, body),
        }
        target = url.copy_with(host=await self._address(url))
        extensions = {"sni_hostname": url.host}  # the certificate has to match the name
        transport = httpx2.AsyncHTTPTransport(verify=_tls_context())
        async with (
            httpx2.AsyncClient(
                transport=transport, timeout=_TIMEOUT_SECONDS, trust_env=False
            ) as client,
            client.stream(
                "POST", target, content=body, headers=headers, extensions=extensions
            ) as answer,
        ):
            return answer.status_code

    async def _address(self, url: "httpx2.URL") -> str:
        """The first address of the host that is allowed. Raises `messages.NotSentError`."""
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await asyncio.get_running_loop().getaddrinfo(
            url.raw_host.decode(), port, type=socket.SOCK_STREAM
        )
        for *_, address in addresses:
            if self._may_post_to(str(address[0])):
                return str(address[0])
        reason = "the webhook's address is not public; add it to CALLBOARD_WEBHOOK_NETWORKS"
        raise messages.NotSentError(reason, final=True)

    def _may_post_to(self, address: str) -> bool:
        ip = ip_address(address)
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return networks.is_public(ip) or any(ip in network for network in self.networks)
