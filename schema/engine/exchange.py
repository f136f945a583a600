"""The request of an operation, and the change of the browser's cookie in its response."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.identity import callers


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie to set: a token until `ends_at`, or None to remove it."""

    token: str | None
    ends_at: datetime | None = None


@dataclass(slots=True)
class Exchange:
    """`takes_cookie`: a page of Callboard sent the request, so the response can set one."""

    client: callers.Client = field(default_factory=callers.Client)
    takes_cookie: bool = False
    cookie: Cookie | None = None

    def keep(self, token: str, ends_at: datetime) -> None:
        if self.takes_cookie:
            self.cookie = Cookie(token, ends_at)

    def forget(self) -> None:
        if self.takes_cookie:
            self.cookie = Cookie(None)
