"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes on paper.

SHA-1, 6 digits, 30 seconds: all authenticator apps support them.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

import pyotp

STEP_SECONDS = 30
_MAX_SKEW_STEPS = 1  # steps that the clocks of telephone and server may be apart, RFC 6238 5.2
RECOVERY_CODE_COUNT = 10
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """160 random bits (RFC 4226 §4) in base32, the form that apps accept."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, email: str, issuer: str) -> str:
    """The URI that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret, name=email, issuer=issuer.replace(":", " ")).provisioning_uri()


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step of the code, at most one from the current step; None if there is none.

    A step is valid once: the caller stores it as the last used one and accepts only later ones.
    """
    text = code.replace(" ", "")
    if not _CODE.fullmatch(text):
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    matching = None
    for candidate in range(current - _MAX_SKEW_STEPS, current + _MAX_SKEW_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(candidate), text):
            matching = candidate
    return matching


def new_recovery_codes() -> Sequence[str]:
    """Codes that are shown once, of 80 random bits: `abcd-efgh-ijkl-mnop` (a to z, 2 to 7)."""
    return [_group(pyotp.random_base32()[:16].lower()) for _ in range(RECOVERY_CODE_COUNT)]


def recovery_digest(code: str) -> bytes:
    """The stored hash of a code. The code is random, so a plain hash is enough."""
    text = re.sub(r"[\s-]", "", code[:100]).lower()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _group(text: str) -> str:
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
