"""Number ranges, blocks and SIP users: what they may be.

A SIP user's name is a number in plain digits without leading zeros: what can be picked from a block
can be compared as a number.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice

from domain import refusals

LARGEST = 2**53 - 1  # every JSON reader keeps it exact

_USERNAME = re.compile(r"0|[1-9][0-9]{0,15}")
# Printable ASCII but for what digest syntax and configuration files of phones trip over:
# space, quote, backslash, colon.
_SECRET = re.compile(r"[!#-9;-\[\]-~]{12,64}")
_DRAWN_FROM = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none looks like another
_DRAWN = 24  # of 56 characters: 139 bits


class Status(StrEnum):
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The numbers from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, other: "Span") -> bool:
        return self.first <= other.first and other.last <= self.last

    def cut(self, other: "Span") -> "Span | None":
        """What both have in common; None where that is nothing."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Span(first, last) if first <= last else None


EVERY = Span(0, LARGEST)


@dataclass(frozen=True, slots=True)
class Range:
    """The account's numbers, and how many a new block has."""

    span: Span
    block_size: int


@dataclass(frozen=True, slots=True)
class Digests:
    """What is stored of a secret: hexadecimal, of `realm`."""

    realm: str
    ha1: str
    ha1b: str
    ha1_sha256: str


def number_range(start: int, end: int, block_size: int) -> Range:
    """INVALID with the field."""
    if not 0 <= start <= LARGEST:
        raise refusals.Refusal("INVALID", "Give 0 or more.", "start")
    if not start <= end <= LARGEST:
        raise refusals.Refusal("INVALID", "Give a number that is not below start.", "end")
    if not 1 <= block_size <= end - start + 1:
        raise refusals.Refusal(
            "INVALID", "Give 1 or more, and no more than the range has numbers.", "blockSize"
        )
    return Range(Span(start, end), block_size)


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


def number_of(username: str) -> int:
    """The number a username is; INVALID where it is none."""
    number = int(username) if _USERNAME.fullmatch(username) else None
    if number is None or number > LARGEST:
        raise refusals.Refusal(
            "INVALID", "Give a number in digits, without leading zeros, such as 1000.", "username"
        )
    return number


def starting_with(prefix: str | None) -> list[Span]:
    """The numbers whose digits start so, in ascending order; all of them without a prefix."""
    if not prefix:
        return [EVERY]
    if not _USERNAME.fullmatch(prefix):
        raise refusals.Refusal(
            "INVALID", "Give the first digits of a number, such as 12.", "startingWith"
        )
    start = int(prefix)
    if start == 0:
        return [Span(0, 0)]
    powers = (10**digits for digits in range(17 - len(prefix)))
    spans = (Span(start * power, (start + 1) * power - 1).cut(EVERY) for power in powers)
    return [span for span in spans if span is not None]


def numbers(spans: Iterable[Span], most: int) -> list[int]:
    """The first `most` numbers of spans that follow each other."""
    each: Iterator[int] = chain.from_iterable(range(one.first, one.last + 1) for one in spans)
    return list(islice(each, most))


# Secrets -------------------------------------------------------------------------------------


def new_secret() -> str:
    return "".join(secrets.choice(_DRAWN_FROM) for _ in range(_DRAWN))


def secret(given: str) -> str:
    """One that somebody thought of; INVALID where phones or guessing would make trouble."""
    if not _SECRET.fullmatch(given):
        raise refusals.Refusal(
            "INVALID",
            "Give 12 to 64 printable ASCII characters without space, quote, backslash and colon.",
            "password",
        )
    return given


def digests(username: str, realm: str, secret: str) -> Digests:
    """RFC 2617 3.2.2.2 and, with SHA-256, RFC 7616; `ha1b` has user@realm for the user."""
    plain = f"{username}:{realm}:{secret}".encode()
    whole = f"{username}@{realm}:{realm}:{secret}".encode()
    return Digests(
        realm,
        hashlib.md5(plain, usedforsecurity=False).hexdigest(),
        hashlib.md5(whole, usedforsecurity=False).hexdigest(),
        hashlib.sha256(plain).hexdigest(),
    )
