"""The request that an operation came by, and what its answer does to the browser's cookie."""

from dataclasses import dataclass, field
from datetime import datetime

from domain import callers


@dataclass(frozen=True, slots=True)
class Cookie:
    """What the browser is to keep: a token until an instant, or nothing (None) any more."""

    token: str | None
    ends_at: datetime | None = None


@dataclass(slots=True)
class Exchange:
    """`takes_cookie`: a page of ours asked over HTTP, where the answer can set one."""

    client: callers.Client = field(default_factory=callers.Client)
    takes_cookie: bool = False
    cookie: Cookie | None = None

    def keep(self, token: str, ends_at: datetime) -> None:
        if self.takes_cookie:
            self.cookie = Cookie(token, ends_at)

    def forget(self) -> None:
        if self.takes_cookie:
            self.cookie = Cookie(None)
