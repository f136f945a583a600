"""Bearer tokens: `cb_<account>_<k or s><id>_<secret>`, of an API key or a session.

They name their account in the clear, because sign-in comes before the account is known.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

SECRET_BYTES = 32  # 256 random bits, as 43 URL-safe base64 characters
_TOKEN = re.compile(r"cb_([1-9][0-9]{0,17})_([ks])([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})")


class Of(StrEnum):
    KEY = "k"
    SESSION = "s"


@dataclass(frozen=True, slots=True)
class Token:
    account_id: int
    of: Of
    id: int
    secret: str

    def __str__(self) -> str:
        return f"cb_{self.account_id}_{self.of}{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"<Token cb_{self.account_id}_{self.of}{self.id}_…>"


def parse(text: str) -> Token | None:
    """The token a text is, or None of anything that is none."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    account, of, id, secret = match.groups()
    return Token(int(account), Of(of), int(id), secret)


def digest(secret: str) -> bytes:
    """What is stored of a secret. It is random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
