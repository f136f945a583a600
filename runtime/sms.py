"""Sends text messages through a provider's HTTP interface, written as a template."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

from domain import messages

_SECONDS = 15.0  # for a whole request
_NAMES = re.compile(r"\{(to|digits|from|text)\}")
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


_ESCAPE: Mapping[str, Callable[[str], str]] = {_JSON: _in_json, _FORM: quote_plus}

# What another try may mend: it is busy, or our credentials are the operator's to mend.
_AGAIN = {401, 403, 408, 425, 429}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A provider: where and what is posted to it for a message.

    `body` is a template; in it {to} is the E.164 number, {digits} the same without its +, {from}
    the sender and {text} the message, each escaped as the Content-Type of `headers` wants it.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str
    sender: str

    async def send(self, letter: messages.Letter) -> None:
        """2xx is success. Raises `messages.NotSentError`, which names no secret: neither the URL
        nor what was sent."""
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client:
                answer = await client.post(
                    self.url,
                    content=self.written(letter.recipient, letter.text).encode(),
                    headers={"Content-Type": _JSON} | dict(self.headers),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = f"the SMS provider was not reached: {type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error
        if not answer.is_success:
            status = answer.status_code
            final = 400 <= status < 500 and status not in _AGAIN
            raise messages.NotSentError(f"the SMS provider answered {status}", final=final)

    def written(self, to: str, text: str) -> str:
        """The request's body."""
        escape = _ESCAPE[content_type(self.headers)]
        values = {"to": to, "digits": to.lstrip("+"), "from": self.sender, "text": text}
        return _NAMES.sub(lambda name: escape(values[name[1]]), self.body)


# What the settings may be. A ValueError says what is wrong, and nothing of a value.


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an http or https URL")


def read_headers(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise ValueError('give a JSON object of strings, such as {"Authorization": "Bearer …"}')
    if content_type(found) not in _ESCAPE:
        raise ValueError(f"the Content-Type has to be {' or '.join(_ESCAPE)}")
    return found


def check_body(made: Gateway) -> None:
    if not re.search(r"\{(to|digits)\}", made.body) or "{text}" not in made.body:
        raise ValueError("name {to} (or {digits}) and {text} in it")
    if content_type(made.headers) == _JSON:
        try:
            json.loads(made.written("+441632960000", 'a "text"'))
        except ValueError:
            raise ValueError("it has to be JSON, with {to} and {text} within strings") from None


def content_type(headers: Mapping[str, str]) -> str:
    """Without its parameters; JSON where none is given."""
    given = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return given.partition(";")[0].strip().lower() or _JSON
