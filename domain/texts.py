"""What is said to people, in their language.

A text is an English template, marked where it stands; a catalog of each other language holds its
translation (`locale/<language>.po`). Values are filled in after it was translated.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = ("en", "de", "es")
DEFAULT = "en"
_FOLDER = Path(__file__).with_name("locale")


def marked(template: str) -> str:
    """Marks a literal as a text to translate; gives it back as it is."""
    return template


def say(language: str, template: str, values: Mapping[str, object] | None = None) -> str:
    """The template in the language, its `{names}` filled; in English where there is no such
    language."""
    text = _catalog(supported(language)).get(template) or template
    return text.format(**values) if values else text


def supported(language: str) -> str:
    """The language among `LANGUAGES` that a BCP 47 tag means; English where there is none."""
    found = language.partition("-")[0].lower()
    return found if found in LANGUAGES else DEFAULT


@cache
def _catalog(language: str) -> dict[str, str]:
    path = _FOLDER / f"{language}.po"
    if language == DEFAULT:
        return {}
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file) if one.id and one.string}
