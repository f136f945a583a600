"""What is said to people, in their language.

A text is an English template, marked where it stands; a catalog of each other language holds its
translation (`locale/<language>.po`, kept by `python -m domain.locale`). Values are filled in after
it was translated, as the language writes them.
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
FOLDER = Path(__file__).with_name("locale")

_DIGITS = 120  # as `money` computes; Babel itself fails beyond the usual 28

# In English 03/04 is two days, depending on who reads it.
_DATE = {"en": "yyyy-MM-dd"}


@dataclass(frozen=True, slots=True)
class Text:
    """A template with its values, not yet said in any language.

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
        return self.said(DEFAULT)

    def said(self, language: str, zone: str = "UTC") -> str:
        """In the language, or English where there is no such; instants in the IANA zone."""
        language = supported(language)
        catalog = _catalog(language)
        if self.plural is None:
            text = catalog.gettext(self.template)
        else:
            text = catalog.ngettext(self.template, self.plural, self.count)
        return _Filling(language, zone).filled(text, self.values) if self.values else text


def marked(template: str) -> str:
    """Marks a literal as a text to translate; gives it back as it is."""
    return template


def counted(one: str, many: str, count: int, **values: object) -> Text:
    """`one` where the count is 1, else `many`; both may have `{count}`."""
    return Text(one, {"count": count} | values, many, count)


def say(
    language: str, template: str, values: Mapping[str, object] | None = None, zone: str = "UTC"
) -> str:
    """The template in the language, its `{names}` filled."""
    return Text(template, values or {}).said(language, zone)


# Languages -----------------------------------------------------------------------------------


def supported(language: str) -> str:
    """The language among `LANGUAGES` that a BCP 47 tag means; English where there is none."""
    return _known(language) or DEFAULT


def own_name(language: str) -> str:
    """As a menu of languages shows it: Deutsch, Español."""
    name = Locale(language).get_display_name(language) or language
    return name[0].upper() + name[1:]


def accepted(header: str | None) -> str:
    """What an Accept-Language header wants most of `LANGUAGES` (RFC 9110 12.5.4); else English."""
    wanted: dict[str, float] = {}
    for one in (header or "").split(","):
        tag, _, parameter = one.partition(";")
        language = DEFAULT if tag.strip() == "*" else _known(tag.strip())
        quality = _quality(parameter)
        if language is not None and quality > wanted.get(language, 0):
            wanted[language] = quality
    return max(wanted, key=lambda language: wanted[language], default=DEFAULT)


def _known(tag: str) -> str | None:
    found = tag.partition("-")[0].lower()
    return found if found in LANGUAGES else None


def _quality(parameter: str) -> float:
    """Of `q=0.8`; 1 where none is said, 0 of what cannot be read."""
    name, _, value = parameter.replace(" ", "").partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name.lower() == "q" and 0 <= quality <= 1 else 0.0


# Values --------------------------------------------------------------------------------------


def instant(language: str, at: datetime, zone: str = "UTC") -> str:
    """To the minute, with the zone it is said in."""
    local = at.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    offset = "'UTC'" if zone == "UTC" else "ZZZZ"
    time = dates.format_datetime(local, f"HH:mm {offset}", local.tzinfo, language)
    return f"{day(language, local)} {time}"


def day(language: str, on: date) -> str:
    return dates.format_date(on, _DATE.get(language, "medium"), language)


def number(language: str, value: Decimal | int) -> str:
    """All its digits, with the thousands set apart."""
    with localcontext(prec=_DIGITS):
        return numbers.format_decimal(value, locale=language, decimal_quantization=False)


@dataclass(frozen=True, slots=True)
class _Filling:
    """`str.format` of names alone, with values as a language writes them."""

    _language: str
    _zone: str

    def filled(self, template: str, values: Mapping[str, object]) -> str:
        return "".join(
            literal if name is None else literal + self._said(values[name], spec, conversion)
            for literal, name, spec, conversion in _parts(template)
        )

    def _said(self, value: object, spec: str | None, conversion: str | None) -> str:
        return repr(value) if conversion == "r" else self._written(value, spec or "")

    def _written(self, value: Any, spec: str) -> str:
        match value:
            case str():
                return value
            case Text():
                return value.said(self._language, self._zone)
            case datetime():
                return instant(self._language, value, "UTC" if spec == "utc" else self._zone)
            case date():
                return day(self._language, value)
            case Decimal():
                return number(self._language, value)
            case list() | tuple():
                return ", ".join(self._written(one, spec) for one in value)
            case int() if spec == ",":
                return number(self._language, value)
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
