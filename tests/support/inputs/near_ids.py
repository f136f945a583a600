"""Texts that are similar to an id but are not ids, written independently of the product's
decoder."""

import base64
import string
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def encode(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def content_of(id: str) -> str:
    return base64.urlsafe_b64decode(id + "=" * (-len(id) % 4)).decode()


def _with_spare_bits(id: str) -> str:
    """Adds bits to the last character that belong to no byte."""
    spare = {2: 4, 3: 2}.get(len(id) % 4, 0)
    last = _ALPHABET.index(id[-1])
    return id[:-1] + _ALPHABET[last | ((1 << spare) - 1)]


def _wide(text: str) -> str:
    return "".join(
        chr(ord(character) + 0xFEE0) if character.isalnum() else character for character in text
    )


# Of the text of an id.
_OF_TEXT: Sequence[Callable[[str], str]] = (
    *(lambda id: f"{id}=", lambda id: f"{id}==", lambda id: f"{id}{'=' * (-len(id) % 4)}"),
    *(lambda id: f" {id}", lambda id: f"{id} ", lambda id: f"{id}\n", lambda id: f"\t{id}"),
    *(
        lambda id: f"\ufeff{id}",
        lambda id: f"{id}\u200b",
        lambda id: f"{id}\0",
        lambda id: f"{id}A",
    ),
    *(str.lower, str.upper, str.swapcase, _with_spare_bits, _wide, content_of),
    *(lambda id: id[:-1], lambda id: id[1:], lambda id: id[:4] + "\n" + id[4:], lambda id: id * 40),
    lambda id: id.translate(str.maketrans("-_", "+/")),
    lambda id: base64.b64encode(content_of(id).encode()).decode(),
    lambda id: base64.b32encode(content_of(id).encode()).decode(),
    lambda id: encode(id),
)


def _last(change: Callable[[str], str]) -> Callable[[str], str]:
    """Of the last part of an id's content."""

    def changed(content: str) -> str:
        rest, _, last = content.rpartition(":")
        return f"{rest}:{change(last)}"

    return changed


def _account(change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(content: str) -> str:
        kind, account, rest = content.split(":", 2)
        return f"{kind}:{change(account)}:{rest}"

    return changed


_NUMBERS: Sequence[Callable[[str], str]] = (
    *(
        lambda n: f"0{n}",
        lambda n: f"+{n}",
        lambda n: f"-{n}",
        lambda n: f" {n}",
        lambda n: f"{n} ",
    ),
    *(lambda n: f"{n}.0", lambda n: f"{n}\n", lambda n: f"{n}_0", lambda n: f"0x{n}", _wide),
    lambda n: "".join(chr(0x660 + int(digit)) if digit.isdecimal() else digit for digit in n),
    lambda n: f"{n}²",
    lambda n: f"{n}{'0' * 25}",
    lambda n: "",
)
# The characters of an id.
_OF_CONTENT: Sequence[Callable[[str], str]] = (
    *map(_last, _NUMBERS),
    *map(_account, _NUMBERS),
    *(str.lower, str.upper, lambda content: f" {content}", lambda content: f"{content}:"),
    *(lambda content: f"{content}:1", lambda content: f":{content}", lambda content: content[:-2]),
    lambda content: content.replace(":", "::", 1),
    lambda content: content.replace(":", "\uff1a"),
    lambda content: f"{content}\0",
    lambda content: f"\ud800{content}",
)


@st.composite
def near(draw: st.DrawFn, ids: Sequence[str]) -> str:
    """An id after up to two changes of its text or its content."""
    id = draw(st.sampled_from(ids))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1]))):
        id = encode(draw(st.sampled_from(_OF_CONTENT))(content_of(id)))
    for _ in range(draw(st.sampled_from([0, 0, 1]))):
        id = draw(st.sampled_from(_OF_TEXT[:11]))(id)
    return id


def variants(id: str) -> list[str]:
    """Each change separately."""
    texts = [change(id) for change in _OF_TEXT]
    contents = [encode(change(content_of(id))) for change in _OF_CONTENT]
    return [text for text in dict.fromkeys([*texts, *contents, ""]) if text != id]


def random_variants(ids: Sequence[str], count: int) -> list[str]:
    """The same in every run; some are the ids themselves."""
    examples: dict[str, None] = {}

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(near(ids))
    def collect(value: str) -> None:
        examples.setdefault(value)

    collect()
    return list(examples)
