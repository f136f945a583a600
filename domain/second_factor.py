"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes on paper.

SHA-1, 6 digits, 30 seconds: what every authenticator app knows.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

import pyotp

SECONDS = 30
_SKEW = 1  # steps that the clocks of telephone and server may be apart, RFC 6238 5.2
RECOVERY_CODES = 10
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """160 random bits (RFC 4226 4) in base32, as apps take them."""
    return pyotp.random_base32()


def uri(secret: str, email: str, issuer: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret, name=email, issuer=issuer.replace(":", " ")).provisioning_uri()


def step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code it is, at most one from now; None of any other.

    A step is good once: whoever takes it keeps it as the last one taken, and takes none before it.
    """
    text = code.replace(" ", "")
    if not _CODE.fullmatch(text):
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // SECONDS
    found = None
    for candidate in range(current - _SKEW, current + _SKEW + 1):
        if hmac.compare_digest(totp.generate_otp(candidate), text):
            found = candidate
    return found


def new_recovery_codes() -> Sequence[str]:
    """To be shown once, 80 random bits each: `abcd-efgh-ijkl-mnop`, of a to z and 2 to 7."""
    return [_grouped(pyotp.random_base32()[:16].lower()) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> bytes:
    """What is stored of a code. It is random, so a plain hash is enough."""
    text = re.sub(r"[\s-]", "", code[:100]).lower()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _grouped(text: str) -> str:
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
