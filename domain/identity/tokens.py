"""Bearer tokens: `cb_<account>_<k or s><id>_<secret>`, of an API key or a session.

They contain the account in plain text, because its data is read by account.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

SECRET_BYTES = 32  # 256 random bits, as 43 URL-safe base64 characters
_TOKEN = re.compile(r"cb_([1-9][0-9]{0,17})_([ks])([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")


class TokenKind(StrEnum):
    KEY = "k"
    SESSION = "s"


@dataclass(frozen=True, slots=True)
class Token:
    account_id: int
    kind: TokenKind
    id: int
    secret: str

    def __str__(self) -> str:
        return f"cb_{self.account_id}_{self.kind}{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"<Token cb_{self.account_id}_{self.kind}{self.id}_…>"


def parse(text: str) -> Token | None:
    """The token; None if the text is no token."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    account, of, id, secret = match.groups()
    return Token(int(account), TokenKind(of), int(id), secret)


def digest(secret: str) -> bytes:
    """The stored hash of a secret. The secret is random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
