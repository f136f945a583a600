"""A real SMTP server and a real provider of text messages, run by the test."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.programs import free_port

T = TypeVar("T")


async def until(look: Callable[[], T], within: float = 10) -> T:
    """The result of `look`, as soon as there is one."""
    async with asyncio.timeout(within):
        while not (result := look()):  # noqa: ASYNC110 - it is seen from outside
            await asyncio.sleep(0.01)
    return result


@dataclass
class MailServer:
    """`letters` are the accepted mails. The next messages are refused with `answers`; while
    `held`, the server accepts a message and does not answer."""

    port: int = field(default_factory=free_port)
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # recipient: answer
    held: bool = False
    reached: int = 0
    left: int = 0  # of those reached, answered or disconnected
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def start(self, **options: Any) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, hostname="mail.voice.example", enable_SMTPUTF8=True, **options),
            "127.0.0.1",
            self.port,
        )

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def to(self, address: str) -> list[EmailMessage]:
        return [letter for letter in self.letters if address in str(letter["To"])]

    async def arrived(self, address: str, count: int = 1, within: float = 10) -> EmailMessage:
        """The last of `count` letters to the address."""
        return (
            await until(lambda: self.to(address)[count - 1 : count], within)
            and (self.to(address)[count - 1])
        )

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.reached += 1
        try:
            while self.held:  # noqa: ASYNC110 - a test sets it
                await asyncio.sleep(0.01)
        finally:
            self.left += 1
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.recipients += envelope.rcpt_tos
        return "250 taken"


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    try:
        yield server
    finally:
        server.held = False
        await server.stop()


def only(username: str, password: str) -> Callable[..., AuthResult]:
    """An authenticator that accepts one login."""

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        credentials = LoginPassword(username.encode(), password.encode())
        return AuthResult(success=data == credentials, handled=False)

    return authenticate


def link_in(letter: EmailMessage) -> str:
    """The one link of its plain text, which its HTML has too."""
    plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert plain is not None
    assert html is not None
    [link] = re.findall(r"https?://\S+", plain.get_content())
    assert f'href="{link}"' in html.get_content()
    return str(link)


def token_in(letter: EmailMessage) -> str:
    [token] = parse_qs(urlsplit(link_in(letter)).query)["token"]
    return token


@dataclass(frozen=True)
class PostedText:
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class TextServer:
    """`posted` are the received requests; `answers` are the statuses of the next answers, then
    200."""

    port: int
    posted: list[PostedText] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages"

    def to(self, number: str) -> list[str]:
        return [message.json["text"] for message in self.posted if message.json["to"] == number]

    async def code(self, number: str, count: int = 1) -> str:
        """The code in the last of `count` messages to the number."""
        await until(lambda: len(self.to(number)) >= count)
        [code] = re.findall(r"\b\d{6}\b", self.to(number)[count - 1])
        return str(code)


@contextmanager
def text_server() -> Iterator[TextServer]:
    texts = TextServer(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status = texts.answers.pop(0) if texts.answers else 200
            texts.posted.append(PostedText(dict(self.headers.items()), body))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", texts.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    texts.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield texts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
