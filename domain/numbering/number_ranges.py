"""Valid number ranges, usernames and passwords of SIP users.

A username is a number in plain digits without leading zeros, so that it can be compared with the
numbers of a block.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice

from domain import refusals

MAX_NUMBER = 2**53 - 1  # exact in every JSON reader

_USERNAME = re.compile(r"0|[1-9][0-9]{0,15}")
# Printable ASCII except space, quote, backslash and colon, which break digest syntax or the
# configuration files of phones.
_SECRET = re.compile(r"[!#-9;-\[\]-~]{12,64}")
_SECRET_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without look-alikes
_SECRET_LENGTH = 24  # 139 bits from 56 characters


class Status(StrEnum):
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The numbers from `first` to `last`, inclusive."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, other: "Span") -> bool:
        return self.first <= other.first and other.last <= self.last

    def intersect(self, other: "Span") -> "Span | None":
        """The numbers in both spans; None if there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Span(first, last) if first <= last else None


ALL_NUMBERS = Span(0, MAX_NUMBER)


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers of an account, and the size of a new block."""

    span: Span
    block_size: int


@dataclass(frozen=True, slots=True)
class Digests:
    """The stored digests of a secret for `realm`, in hexadecimal."""

    realm: str
    ha1: str
    ha1b: str
    ha1_sha256: str


def validate_range(start: int, end: int, block_size: int) -> Range:
    """Refuses INVALID with the field."""
    if not 0 <= start <= MAX_NUMBER:
        raise refusals.Refusal("INVALID", "Set 0 or more.", "start")
    if not start <= end <= MAX_NUMBER:
        raise refusals.Refusal("INVALID", "Set a number that is not below start.", "end")
    if not 1 <= block_size <= end - start + 1:
        raise refusals.Refusal(
            "INVALID", "Set 1 or more, at most the size of the range.", "blockSize"
        )
    return Range(Span(start, end), block_size)


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


def parse_username(username: str) -> int:
    """Returns the number of a username. Refuses INVALID."""
    number = int(username) if _USERNAME.fullmatch(username) else None
    if number is None or number > MAX_NUMBER:
        raise refusals.Refusal(
            "INVALID", "Set a number in digits, without leading zeros, such as 1000.", "username"
        )
    return number


def spans_with_prefix(prefix: str | None) -> list[Span]:
    """The numbers that begin with the digits of `prefix`, ascending; without it, all numbers.

    Refuses INVALID.
    """
    if not prefix:
        return [ALL_NUMBERS]
    if not _USERNAME.fullmatch(prefix):
        raise refusals.Refusal(
            "INVALID", "Set the first digits of a number, such as 12.", "startingWith"
        )
    start = int(prefix)
    if start == 0:
        return [Span(0, 0)]
    powers = (10**digits for digits in range(17 - len(prefix)))
    spans = (
        Span(start * power, (start + 1) * power - 1).intersect(ALL_NUMBERS) for power in powers
    )
    return [span for span in spans if span is not None]


def first_numbers(spans: Iterable[Span], limit: int) -> list[int]:
    """The first `limit` numbers of the spans, in their order."""
    numbers: Iterator[int] = chain.from_iterable(range(s.first, s.last + 1) for s in spans)
    return list(islice(numbers, limit))


# Secrets -------------------------------------------------------------------------------------


def new_secret() -> str:
    return "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_LENGTH))


def validate_secret(secret: str) -> str:
    """Returns a secret that a person chose. Refuses INVALID."""
    if not _SECRET.fullmatch(secret):
        raise refusals.Refusal(
            "INVALID",
            "Set 12 to 64 printable ASCII characters, without spaces, quotes, backslashes and"
            " colons.",
            "password",
        )
    return secret


def digests(username: str, realm: str, secret: str) -> Digests:
    """The digests by RFC 2617 §3.2.2.2 and, with SHA-256, RFC 7616. `ha1b` is of user@realm."""
    plain = f"{username}:{realm}:{secret}".encode()
    whole = f"{username}@{realm}:{realm}:{secret}".encode()
    return Digests(
        realm,
        hashlib.md5(plain, usedforsecurity=False).hexdigest(),
        hashlib.md5(whole, usedforsecurity=False).hexdigest(),
        hashlib.sha256(plain).hexdigest(),
    )
