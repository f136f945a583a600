"""The kinds of values that callers write, each with an independent description of its grammar.

A kind is one entry of KINDS. `is_valid` decides what the product has to accept; `near` makes values
that are valid, or nearly; `codes` are those with which the product refuses what is not.
"""

import calendar
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# Characters that replace, or are inserted beside, a character of a valid value.
TRAPS = [
    *"0125679",
    *"TtZzWx",
    *"+-.,:_ /=eE",
    "１",
    "²",
    "٣",
    "\u00a0",
    "\u200b",
    "\n",
    "\t",
    "\0",
]
TRAPS += ["\ud800", "00", "99", "", "é"]


@dataclass(frozen=True)
class Kind:
    name: str
    codes: frozenset[str]
    is_valid: Callable[[str], bool]
    near: st.SearchStrategy[str]
    listed: Sequence[str]

    def values(self, count: int) -> list[str]:
        """The listed values, and about `count` generated ones; the same in every run."""
        generated: dict[str, None] = dict.fromkeys(self.listed)

        @settings(
            max_examples=count,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(self.near)
        def collect(value: str) -> None:
            generated.setdefault(value)

        collect()
        return list(generated)


@st.composite
def _mutated(draw: st.DrawFn, valid: st.SearchStrategy[str]) -> str:
    """A valid value after up to two small changes."""
    text = draw(valid)
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        until = at + draw(st.sampled_from([0, 1, 1, 2]))
        text = text[:at] + draw(st.sampled_from(TRAPS)) + text[until:]
    return text


# Times -------------------------------------------------------------------------------------------


def _is_time(text: str) -> bool:
    """RFC 3339, section 5.6, and a day and a time of day that exist, with a zone."""
    match = re.fullmatch(
        r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-](\d{2}):(\d{2}))",
        text,
        re.ASCII,
    )
    if match is None or len(text) > 64:
        return False
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return False
    offset = int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or offset[0] > 23 or offset[1] > 59:
        return False
    return 1 < year < 9999  # at the ends of the calendar an offset may lead out of it


_TIMES = st.builds(
    "{}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.sampled_from(["2026", "2024", "1999"]),
    st.integers(1, 12),
    st.integers(1, 31),
    st.sampled_from("TTTt"),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["", "", ".5", ".123456", ".9999996", ".000000001", "."]),
    st.sampled_from(["Z", "Z", "z", "+00:00", "-00:00", "+05:45", "-11:30", "+24:00", ""]),
)
_LISTED_TIMES = [
    *("2026-W48-1T00:00:00Z", "20261130T000000Z", "2026-11-30x00:00:00Z", "2026-11-30T00:00:00,5Z"),
    *("2026-11-30T00:00:00+00:00:30", "2026-11-30T00:00:00 Z", "2026-11-30 00:00:00Z"),
    *("2026-11-30T00:00Z", "2026-11-30T00:00:00+0000", "2026-11-30T00:00:00+00", "1764460800"),
    *("2026-11-30T24:00:00Z", "2026-11-30T23:59:60Z", "2026-02-29T00:00:00Z"),
    *("2024-02-29t00:00:00z", "2026-11-30T00:00:00-00:00", "2026-11-30T00:00:00+23:59"),
    *("2026-334T00:00:00Z", "+2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z "),
    *("2026-11-30T00:00:00.Z", "2026-11-30T00:00:00+05:99", "2026-11-30T1:00:00Z", "today", ""),
    *("2026-11-30T00:00:00\u221205:00", "２０２６-11-30T00:00:00Z", "2026-11-30T00:00:00.１Z"),
]

# Amounts -----------------------------------------------------------------------------------------


def _is_amount(text: str) -> bool:
    if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII) or len(text) > 1_000:
        return False
    whole, _, fraction = text.removeprefix("-").partition(".")
    return len(whole.lstrip("0")) <= 18 and len(fraction.rstrip("0")) <= 12


_AMOUNTS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "-", "+"]),
    st.text("0123456789", min_size=1, max_size=19),
    st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=13).map(".{}".format)),
)
_LISTED_AMOUNTS = [
    *("1_000", "１２", "1e3", "1E-2", "NaN", "Infinity", "-inf", "sNaN", "+1", " 1", "1 ", "1\n"),
    *("1.", ".5", "1,5", "1.000,00", "0x10", "٣", "1²", "--1", "-", "", "1.5.2", "1'000", "1 000"),
    *("1" * 19, "0." + "1" * 13, "9" * 18 + "." + "9" * 12, "007", "0.50", "-0", "1." + "0" * 40),
    *("0" * 2_000, "1" * 5_000, "½", "一"),
]

# Time zones --------------------------------------------------------------------------------------

_ZONES = [
    zone
    for zone in resources.files("tzdata").joinpath("zones").read_text().split()
    if zone != "Factory"
]
_SPELLED = {zone.lower() for zone in _ZONES}
_LISTED_ZONES = [
    *("Factory", "localtime", "posixrules", "right/UTC", "posix/Europe/London", "tzdata.zi"),
    *("europe/london", "Asia/Calcutta", "US/Eastern", "Asia/Kolkata", "EST5EDT", "Etc/GMT+5"),
    *(
        "",
        "UTC",
        "utc",
        "Europe",
        "Europe/",
        "/Europe/London",
        "../UTC",
        "Europe/London/",
        "+01:00",
    ),
    *("Europe/\u212aiev", "zone.tab", "Mars/Olympus", "Europe/London\0", "GMT+1", "UTC+1"),
]

# Numbers of accounts -----------------------------------------------------------------------------

_LISTED_NUMBERS = [
    *(
        "1",
        "42",
        "0",
        "01",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1_0",
        "1.0",
        "1e3",
        "0x1",
        "１",
        "٣",
        "1²",
        "",
    ),
    *("9" * 18, "9" * 19, "9" * 5_000, "true", "1\n", "1,000"),
]

# E-mail addresses --------------------------------------------------------------------------------

# Of TRAPS: a domain shows these as other characters, and a zero-width space not at all (UTS 46).
_SHOWN_IN_DOMAINS = str.maketrans({"１": "1", "²": "2", "\u200b": None})
_EMAILS = st.builds(
    "{}@{}".format,
    st.sampled_from(["ops", "first.last", "o'brien+tag", "OPS", "a"]),
    st.sampled_from(["acme.example", "mail.acme.example", "ACME-1.example", "x.yz"]),
)
_LISTED_EMAILS = [
    *("ops", "", "@", "@acme.example", "ops@", "ops@localhost", "a@b@acme.example", "ops@acme"),
    *(".ops@acme.example", "ops.@acme.example", "o..ps@acme.example", "ops@acme..example"),
    *("ops@.acme.example", "ops@acme.example.", "ops@-acme.example", "ops@acme-.example"),
    *("ops@192.0.2.1", "ops@[192.0.2.1]", '"o ps"@acme.example', "<ops@acme.example>"),
    *("a" * 64 + "@acme.example", "a" * 65 + "@acme.example", "ops@" + "a" * 64 + ".example"),
    *("  ops@acme.example ", "ops@m\u00fcnchen.example", "jos\u00e9@acme.example"),
]


def _is_email(text: str) -> bool:
    """A dot-atom before one @ (RFC 5322 §3.2.3), a host name of two labels or more after it."""
    local, at, domain = text.strip().rpartition("@")
    domain = domain.translate(_SHOWN_IN_DOMAINS)
    is_local = re.fullmatch(
        r"[A-Za-z0-9é٣!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9é٣!#$%&'*+/=?^_`{|}~-]+)*", local
    )
    labels = domain.split(".")
    is_domain = len(labels) > 1 and all(
        re.fullmatch(r"[A-Za-z0-9éü]([A-Za-z0-9éü-]*[A-Za-z0-9éü])?", label) and len(label) < 64
        for label in labels
    )
    if not (at and is_local and is_domain and len(local.encode()) <= 64):
        return False
    has_punycode_form = domain.isascii() or all(label[2:4] != "--" for label in labels)
    return has_punycode_form and not labels[-1].isdigit()


# Phone numbers -----------------------------------------------------------------------------------

_PHONES = st.builds(
    "+1 555{}".format,
    _mutated(st.sampled_from(["0100123", " 010 0123", ") 010-0199", ".010.0150", "/010/0100"])),
)
_LISTED_PHONES = [
    *("", "+", "15550100123", "0015550100123", "0555 0100123", "++15550100123", "1+5550100123"),
    *("+1 555 0100123 ext. 5", "+1 555 0100123;ext=5", "+1 (555) 010-0123", " +15550100123\n"),
    *("＋１５５５０１００１２３", "+999123456789", "+15550100" + "0" * 30, "tel:+15550100123"),
    *("+44 1632 960000", "+44 (1632) 960-000", "+44 1632 9600AB", "\u202a+441632960000\u202c"),
]
_PLAIN_FORMS = str.maketrans("＋０１２３４５６７８９²", "+01234567892")
_SEPARATORS = str.maketrans(dict.fromkeys(" ()./-\u00a0\n\t\u200b\u202a\u202c"))


def _is_phone(text: str) -> bool:
    """A plus sign and the digits of a North American or British number, with separators."""
    plain = text.translate(str.maketrans("＋０１２３４５６７８９²", "+01234567892")).translate(
        _SEPARATORS
    )
    return re.fullmatch(r"\+(1555(\d{7}|\d{4})|441632\d{6})", plain, re.ASCII) is not None


# Texts -------------------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=12)
_LISTED_TEXTS = [
    "\0",
    "a\0b",
    "\ud800",
    "\udfff",
    "a\udc00\ud800b",
    "\U0001f600",
    "é",
    "a\tb",
    "\x7f",
]
_LISTED_TEXTS += ["\u202e", "\ufeff", "\uffff", "\\u0000", "\\ud800"]


def _is_storable(text: str) -> bool:
    return not any(char == "\0" or 0xD800 <= ord(char) <= 0xDFFF for char in text)


KINDS = (
    Kind(
        "time",
        frozenset({"BAD_TIME", "NAIVE_TIME", "REFUSED"}),
        _is_time,
        _mutated(_TIMES),
        _LISTED_TIMES,
    ),
    Kind(
        "amount",
        frozenset({"BAD_AMOUNT"}),
        lambda text: _is_amount(text) and (text[0] != "-" or not text.strip("-0.")),
        _mutated(_AMOUNTS),
        _LISTED_AMOUNTS,
    ),
    Kind(
        "signed amount", frozenset({"BAD_AMOUNT"}), _is_amount, _mutated(_AMOUNTS), _LISTED_AMOUNTS
    ),
    Kind(
        "time zone",
        frozenset({"BAD_TIME_ZONE"}),
        lambda text: text.lower() in _SPELLED and text.isascii(),
        _mutated(st.sampled_from([*_ZONES, *map(str.upper, _ZONES)])),
        _LISTED_ZONES,
    ),
    Kind(
        "account id",
        frozenset({"REFUSED"}),
        lambda text: re.fullmatch("[1-9][0-9]{0,17}", text, re.ASCII) is not None,
        _mutated(st.integers(1, 10**17).map(str)),
        _LISTED_NUMBERS,
    ),
    Kind("e-mail", frozenset({"INVALID"}), _is_email, _mutated(_EMAILS), _LISTED_EMAILS),
    Kind("phone number", frozenset({"INVALID"}), _is_phone, _PHONES, _LISTED_PHONES),
    Kind("text", frozenset({"BAD_TEXT"}), _is_storable, _mutated(_TEXTS), _LISTED_TEXTS),
)
