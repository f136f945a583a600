"""Posts messages to the webhooks of alert rules, signed (docs/alerts.md)."""

import asyncio
from dataclasses import dataclass, field

from domain import alert_messages, messages

_SECONDS = 10.0  # for a whole request

# What another try may mend; else 4xx says that the receiver wants none of it.
_AGAIN = {401, 403, 404, 408, 425, 429}


@dataclass(frozen=True, slots=True)
class Poster:
    """`secret_key` is what the secrets of the rules are made of."""

    secret_key: str = field(repr=False)

    async def send(self, letter: messages.Letter) -> None:
        """2xx is success; a redirect is not followed, an answer's body not read. Raises
        `messages.NotSentError`, which names nothing of the address."""
        import httpx2

        body = alert_messages.body(letter)
        account_id, rule_id = int(letter.detail["account_id"]), int(letter.detail["rule_id"])
        secret = alert_messages.secret(self.secret_key, account_id, rule_id)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Callboard",
            "Callboard-Signature": alert_messages.signature(secret, letter.at, body),
        }
        try:
            async with (
                asyncio.timeout(_SECONDS),
                httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client,
                client.stream("POST", letter.recipient, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = f"the webhook was not reached: {type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error
        if not 200 <= status < 300:
            final = 400 <= status < 500 and status not in _AGAIN
            raise messages.NotSentError(f"the webhook answered {status}", final=final)
