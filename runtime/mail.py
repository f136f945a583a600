"""Sends e-mail over SMTP (RFC 5321)."""

import ssl
from dataclasses import dataclass, field
from email import utils
from email.headerregistry import Address
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from domain import messages

if TYPE_CHECKING:
    import aiosmtplib  # imported where it is used: commands that send nothing start sooner

_SECONDS = 10.0  # for a step of the conversation
_PORTS = {"smtp": 587, "smtps": 465}
_STARTTLS = {"auto": None, "required": True, "never": False}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `starttls` None: where the server offers it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: bool | None = None

    @classmethod
    def of(cls, url: str) -> "Server":
        """Of `smtp://user:password@host:587?starttls=required` or `smtps://…`. ValueError, which
        says what is wrong and nothing of the URL.

        With a password, TLS is required unless the URL says otherwise.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        choice = options.pop("starttls", None)
        if parts.scheme not in _PORTS or not parts.hostname or options or parts.path.strip("/"):
            raise ValueError("give smtp://user:password@host:587 or smtps://host, no path")
        if choice not in (None, *_STARTTLS):
            raise ValueError(f"starttls is one of {', '.join(_STARTTLS)}")
        tls = parts.scheme == "smtps"
        default = True if parts.password is not None else None
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
            tls=tls,
            starttls=False if tls else default if choice is None else _STARTTLS[choice],
        )


def sender(text: str) -> Address:
    """The address of `Name <address>` or of a bare address; ValueError."""
    (name, spec), *more = utils.getaddresses([text]) or [("", "")]
    local, at, domain = spec.rpartition("@")
    if more or not at or not local or ("." not in domain and domain != "localhost"):
        raise ValueError("give an address, such as Voice portal <portal@voice.example>")
    return Address(display_name=name, username=local, domain=domain)


@dataclass(frozen=True, slots=True)
class Mailer:
    server: Server
    sender: Address

    async def send(self, letter: messages.Letter) -> None:
        """Hands it to the server. Raises `messages.NotSentError`.

        Final is what the server says of this message for good (5xx to its recipient or content).
        What it says of our sender, our password or itself is the operator's to mend, so it is
        tried again.
        """
        import aiosmtplib

        try:
            async with self._client() as client:
                await client.send_message(self._written(letter))
        except aiosmtplib.SMTPRecipientsRefused as error:
            [refused] = error.recipients
            raise messages.NotSentError(_said(refused), final=_is_final(refused.code)) from error
        except aiosmtplib.SMTPDataError as error:
            raise messages.NotSentError(_said(error), final=_is_final(error.code)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise messages.NotSentError(_said(error), final=False) from error
        except (ValueError, aiosmtplib.SMTPNotSupported) as error:
            reason = f"it cannot be sent to such an address: {error}"
            raise messages.NotSentError(reason, final=True) from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            reason = f"{self.server.host}:{self.server.port}: {error or type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error

    async def check(self) -> None:
        """Connects and signs in, sends nothing. Raises `messages.NotSentError`."""
        import aiosmtplib

        try:
            async with self._client() as client:
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise messages.NotSentError(str(error), final=False) from error

    def _client(self) -> "aiosmtplib.SMTP":
        import aiosmtplib

        server = self.server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.starttls,
            timeout=_SECONDS,
        )

    def _written(self, letter: messages.Letter) -> EmailMessage:
        """Of the same Message-ID at every try, by which a mailbox may know a second copy."""
        local, _, domain = letter.recipient.rpartition("@")
        name = self.sender.display_name or letter.account
        message = EmailMessage()
        message["From"] = Address(name, self.sender.username, self.sender.domain)
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = letter.subject
        message["Date"] = letter.at
        message["Message-ID"] = f"<{letter.reference}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers it
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        message["Content-Language"] = letter.language  # those before would go into the first part
        return message


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _said(error: "aiosmtplib.SMTPResponseException") -> str:
    return f"the mail server answered {error.code} {error.message}"
