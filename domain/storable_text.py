"""Texts that PostgreSQL can store: it has no NUL character, and UTF-8 has no lone surrogates."""

import re

from domain import refusals

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def require(text: str, field: str | None = None) -> str:
    """The text. Raises Refusal BAD_TEXT."""
    if _UNSTORABLE.search(text):
        raise refusals.Refusal(
            "BAD_TEXT",
            "A text contains a NUL character or half of a surrogate pair. Remove it.",
            field,
        )
    return text
