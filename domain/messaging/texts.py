"""Texts for people, in their language.

A text is an English template, marked in the code. A catalog of each other language contains its
translation (`locale/<language>.po`, updated by `python -m domain.locale`). Values are inserted
after the translation, in the format of the language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("en", "de", "es")
DEFAULT = "en"
FOLDER = Path(__file__).parents[1] / "locale"

_DIGITS = 120  # as `money` computes; Babel itself fails beyond the usual 28

# In English 03/04 is two days, depending on who reads it.
_DATE = {"en": "yyyy-MM-dd"}


@dataclass(frozen=True, slots=True)
class Text:
    """A template with its values, not yet translated.

    Of one that counts, `template` is said of 1 and `plural` of any other `count`. In a template
    `{at}` is an instant in the reader's zone and `{at:utc}` one in UTC, `{count:,}` a number with
    its thousands set apart; a `date`, a `Decimal`, a Text, or a list of such is written
    as the language does, all else as it is.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    plural: str | None = None
    count: int = 0

    def __str__(self) -> str:
        return self.translate(DEFAULT)

    def translate(self, language: str, zone: str = "UTC") -> str:
        """The text in the language (English if unsupported); instants in the IANA zone."""
        language = supported_language(language)
        catalog = _catalog(language)
        if self.plural is None:
            text = catalog.gettext(self.template)
        else:
            text = catalog.ngettext(self.template, self.plural, self.count)
        return _ValueFormatter(language, zone).fill(text, self.values) if self.values else text


def mark_text(template: str) -> str:
    """Marks a literal as a text to translate, and returns it unchanged."""
    return template


def pluralize(one: str, many: str, count: int, **values: object) -> Text:
    """`one` if the count is 1, else `many`; both may contain `{count}`."""
    return Text(one, {"count": count} | values, many, count)


def translate(
    language: str, template: str, values: Mapping[str, object] | None = None, zone: str = "UTC"
) -> str:
    """The template in the language, its `{names}` filled."""
    return Text(template, values or {}).translate(language, zone)


# Languages -----------------------------------------------------------------------------------


def supported_language(language: str) -> str:
    """The language in `LANGUAGES` of a BCP 47 tag; English if there is none."""
    return _match_language(language) or DEFAULT


def native_name(language: str) -> str:
    """As a menu of languages shows it: Deutsch, Español."""
    name = Locale(language).get_display_name(language) or language
    return name[0].upper() + name[1:]


def preferred_language(header: str | None) -> str:
    """The preferred language of an Accept-Language header (RFC 9110 §12.5.4), or English."""
    qualities: dict[str, float] = {}
    for entry in (header or "").split(","):
        tag, _, parameter = entry.partition(";")
        language = DEFAULT if tag.strip() == "*" else _match_language(tag.strip())
        quality = _quality(parameter)
        if language is not None and quality > qualities.get(language, 0):
            qualities[language] = quality
    return max(qualities, key=lambda language: qualities[language], default=DEFAULT)


def _match_language(tag: str) -> str | None:
    prefix = tag.partition("-")[0].lower()
    return prefix if prefix in LANGUAGES else None


def _quality(parameter: str) -> float:
    """The quality of `q=0.8`; 1 if there is none, 0 if it is invalid."""
    name, _, value = parameter.replace(" ", "").partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name.lower() == "q" and 0 <= quality <= 1 else 0.0


# Values --------------------------------------------------------------------------------------


def format_instant(language: str, at: datetime, zone: str = "UTC") -> str:
    """To the minute, with its zone."""
    local = at.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    offset = "'UTC'" if zone == "UTC" else "ZZZZ"
    time = dates.format_datetime(local, f"HH:mm {offset}", local.tzinfo, language)
    return f"{format_day(language, local)} {time}"


def format_day(language: str, on: date) -> str:
    return dates.format_date(on, _DATE.get(language, "medium"), language)


def format_number(language: str, value: Decimal | int) -> str:
    """All its digits, with the thousands set apart."""
    with localcontext(prec=_DIGITS):
        return numbers.format_decimal(value, locale=language, decimal_quantization=False)


@dataclass(frozen=True, slots=True)
class _ValueFormatter:
    """`str.format` of names alone, with values as a language writes them."""

    _language: str
    _zone: str

    def fill(self, template: str, values: Mapping[str, object]) -> str:
        return "".join(
            literal
            if name is None
            else literal + self._format_field(values[name], spec, conversion)
            for literal, name, spec, conversion in _parts(template)
        )

    def _format_field(self, value: object, spec: str | None, conversion: str | None) -> str:
        return repr(value) if conversion == "r" else self._format_value(value, spec or "")

    def _format_value(self, value: Any, spec: str) -> str:
        match value:
            case str():
                return value
            case Text():
                return value.translate(self._language, self._zone)
            case datetime():
                return format_instant(self._language, value, "UTC" if spec == "utc" else self._zone)
            case date():
                return format_day(self._language, value)
            case Decimal():
                return format_number(self._language, value)
            case list() | tuple():
                return ", ".join(self._format_value(item, spec) for item in value)
            case int() if spec == ",":
                return format_number(self._language, value)
        return format(value, spec)


@lru_cache(1_000)
def _parts(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(Formatter().parse(template))


@cache
def _catalog(language: str) -> NullTranslations:
    if language == DEFAULT:
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)
