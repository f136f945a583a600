"""Sends text messages through the HTTP interface of a provider; the body is a template."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

from domain.messaging import messages

_TIMEOUT_SECONDS = 15.0  # for a whole request
_NAMES = re.compile(r"\{(to|digits|from|text)\}")
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


_ESCAPE: Mapping[str, Callable[[str], str]] = {_JSON: _in_json, _FORM: quote_plus}

# Another try may succeed: the provider is busy, or the operator corrects the credentials.
_RETRY_STATUSES = {401, 403, 408, 425, 429}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A provider: the URL, the headers and the body of a request.

    `body` is a template with {to} (the E.164 number), {digits} (the number without +), {from} (the
    sender) and {text}. Each value is escaped for the Content-Type of `headers`.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str
    sender: str

    async def send(self, letter: messages.Letter) -> None:
        """Sends the message; only 2xx is a success. Raises `messages.NotSentError`, whose message
        contains neither the URL nor the content."""
        import httpx2

        try:
            async with httpx2.AsyncClient(
                timeout=_TIMEOUT_SECONDS, follow_redirects=False
            ) as client:
                answer = await client.post(
                    self.url,
                    content=self.request_body(letter.recipient, letter.text).encode(),
                    headers={"Content-Type": _JSON} | dict(self.headers),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = f"the SMS provider cannot be reached: {type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error
        if not answer.is_success:
            status = answer.status_code
            final = 400 <= status < 500 and status not in _RETRY_STATUSES
            raise messages.NotSentError(f"the SMS provider answered {status}", final=final)

    def request_body(self, to: str, text: str) -> str:
        """The body of the request."""
        escape = _ESCAPE[content_type(self.headers)]
        values = {"to": to, "digits": to.lstrip("+"), "from": self.sender, "text": text}
        return _NAMES.sub(lambda name: escape(values[name[1]]), self.body)


# Checks of the settings. They raise ValueError, whose message contains no value.


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("set an http or https URL")


def read_headers(text: str) -> dict[str, str]:
    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise ValueError('set a JSON object of strings, such as {"Authorization": "Bearer …"}')
    if content_type(headers) not in _ESCAPE:
        raise ValueError(f"set the Content-Type to {' or '.join(_ESCAPE)}")
    return headers


def check_body(gateway: Gateway) -> None:
    if not re.search(r"\{(to|digits)\}", gateway.body) or "{text}" not in gateway.body:
        raise ValueError("include {to} (or {digits}) and {text}")
    if content_type(gateway.headers) == _JSON:
        try:
            json.loads(gateway.request_body("+441632960000", 'a "text"'))
        except ValueError:
            raise ValueError("set JSON that has {to} and {text} within strings") from None


def content_type(headers: Mapping[str, str]) -> str:
    """The media type without its parameters; JSON by default."""
    value = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return value.partition(";")[0].strip().lower() or _JSON
