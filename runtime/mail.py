"""Sends e-mail over SMTP (RFC 5321)."""

import ssl
from dataclasses import dataclass, field
from email import utils
from email.headerregistry import Address
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from domain.messaging import messages

if TYPE_CHECKING:
    import aiosmtplib  # imported on use, so that commands that send nothing start faster

_STEP_TIMEOUT_SECONDS = 10.0  # for one SMTP command
_PORTS = {"smtp": 587, "smtps": 465}
_STARTTLS = {"auto": None, "required": True, "never": False}


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. `starttls` None: only if the server offers it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: bool | None = None

    @classmethod
    def of(cls, url: str) -> "Server":
        """From `smtp://user:password@host:587?starttls=required` or `smtps://…`.

        With a password, TLS is required unless the URL sets another `starttls`. Raises ValueError,
        whose message contains nothing of the URL.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        choice = options.pop("starttls", None)
        if parts.scheme not in _PORTS or not parts.hostname or options or parts.path.strip("/"):
            raise ValueError("set smtp://user:password@host:587 or smtps://host, without a path")
        if choice not in (None, *_STARTTLS):
            raise ValueError(f"set starttls to one of {', '.join(_STARTTLS)}")
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


def parse_sender(text: str) -> Address:
    """The address of `Name <address>` or of a bare address. Raises ValueError."""
    (name, spec), *more = utils.getaddresses([text]) or [("", "")]
    local, at, domain = spec.rpartition("@")
    if more or not at or not local or ("." not in domain and domain != "localhost"):
        raise ValueError("set an address, such as Voice portal <portal@voice.example>")
    return Address(display_name=name, username=local, domain=domain)


@dataclass(frozen=True, slots=True)
class Mailer:
    """Sends messages from one sender through one server."""

    server: Server
    sender: Address

    async def send(self, letter: messages.Letter) -> None:
        """Passes the message to the server. Raises `messages.NotSentError`.

        Only a 5xx answer to the recipient or the content is final. The operator can fix a problem
        with the sender, the password or the server, so the message is sent again later.
        """
        import aiosmtplib

        try:
            async with self._client() as client:
                await client.send_message(self._mime_message(letter))
        except aiosmtplib.SMTPRecipientsRefused as error:
            [refusal] = error.recipients
            raise messages.NotSentError(_reason(refusal), final=_is_final(refusal.code)) from error
        except aiosmtplib.SMTPDataError as error:
            raise messages.NotSentError(_reason(error), final=_is_final(error.code)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise messages.NotSentError(_reason(error), final=False) from error
        except (ValueError, aiosmtplib.SMTPNotSupported) as error:
            reason = f"the message cannot be sent to this address: {error}"
            raise messages.NotSentError(reason, final=True) from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            reason = f"{self.server.host}:{self.server.port}: {error or type(error).__name__}"
            raise messages.NotSentError(reason, final=False) from error

    async def check(self) -> None:
        """Connects and signs in, but sends nothing. Raises `messages.NotSentError`."""
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
            timeout=_STEP_TIMEOUT_SECONDS,
        )

    def _mime_message(self, letter: messages.Letter) -> EmailMessage:
        """The MIME message. Each try has the same Message-ID, so a mailbox can drop copies."""
        local, _, domain = letter.recipient.rpartition("@")
        name = self.sender.display_name or letter.account
        message = EmailMessage()
        message["From"] = Address(name, self.sender.username, self.sender.domain)
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = letter.subject
        message["Date"] = letter.at
        message["Message-ID"] = f"<{letter.reference}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents out-of-office replies
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        message["Content-Language"] = (
            letter.language
        )  # last, because earlier headers move into the first part
        return message


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _reason(error: "aiosmtplib.SMTPResponseException") -> str:
    return f"the mail server answered {error.code} {error.message}"
