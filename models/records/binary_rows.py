"""Call records and their keys as rows of PostgreSQL's binary COPY format.

asyncpg's own encoders take twice as long, most of it for timestamps and amounts.
`tests/records/test_binary_rows.py` checks that PostgreSQL stores the same values from both.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from struct import Struct

from domain.records import calls
from models.records import call_keys

KEY_COLUMNS = (
    *("account_id", "call_key", "setup_at", "customer_id", "digest", "revision", "leg", "final"),
)
_NUMBERS = (
    *("account_id", "customer_id", "setup_at", "leg", "revision", "carrier_id", "final"),
    *("offered_at", "end_at", "talk_us", "dtmf_digits", "billed_seconds"),
)
_TEXTS = ("switch", "call_id", "received_call_id", "source", "destination", "source_ip")
_OUTCOME = ("direction", "sip_code", "sip_reason", "q850_cause", "released_by")
_RATE = ("rated_by", "prefix", "rate_card_id", "rate_revision", "currency")
RECORD_COLUMNS = (
    *(*_NUMBERS, *_TEXTS, "ringing_at", "answer_at"),
    *(*_OUTCOME, *_RATE, "rate_per_minute", "charge", "cost", "country"),
)

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
# The length precedes each value, and the number of columns precedes each row.
_key = Struct("!h iq i16s iq iq i16s ii ih i?").pack
_numbers = Struct("!h iq iq iq ii iq iq i? iq iq iq iq iq").pack
_length = Struct("!i").pack
_int4 = Struct("!ii").pack
_int8 = Struct("!iq").pack
_numeric_head = Struct("!ihhHh").pack

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NEGATIVE = 0x4000
_INET_FAMILIES = {4: 2, 6: 3}


def copy(rows: Iterable[bytes]) -> memoryview:
    """The content of a COPY of these rows, as a memoryview: asyncpg takes bytes as a file path."""
    return memoryview(b"".join((_HEADER, *rows, _END)))


def key_row(account_id: int, record: calls.Record) -> bytes:
    """A row of `record_keys`, in the order of KEY_COLUMNS."""
    return _key(
        *(8, 8, account_id, 16, call_keys.key_bytes(record.switch, record.call_id)),
        *(8, _microseconds(record.setup_at), 8, record.customer_id, 16, record.digest),
        *(4, record.revision, 2, record.leg, 1, record.final),
    )


def record_row(account_id: int, record: calls.Record) -> bytes:
    """A row of `call_records`, in the order of RECORD_COLUMNS."""
    numbers = _numbers(
        *(len(RECORD_COLUMNS), 8, account_id, 8, record.customer_id),
        *(8, _microseconds(record.setup_at), 4, record.leg, 8, record.revision),
        *(8, record.carrier_id, 1, record.final),
        *(8, _microseconds(record.offered_at), 8, _microseconds(record.end_at)),
        *(8, record.talk_us, 8, record.dtmf_digits, 8, record.billed_seconds),
    )
    outcome = _outcome(
        *(record.direction, record.sip_code, record.sip_reason, record.q850_cause),
        record.released_by,
    )
    rate = _rate(
        *(record.rated_by, record.prefix, record.rate_card_id, record.rate_revision),
        record.currency,
    )
    call_ids = (_text(record.call_id), _text(record.received_call_id))
    texts = (*call_ids, _text(record.source), _text(record.destination))
    times = (_timestamp(record.ringing_at), _timestamp(record.answer_at))
    amounts = (_amount(record.rate_per_minute), _amount(record.charge), _amount(record.cost))
    switch, source_ip = _repeated_text(record.switch), _inet(record.source_ip)
    country = _repeated_text(record.country)
    return b"".join((numbers, switch, *texts, source_ip, *times, outcome, rate, *amounts, country))


def _microseconds(at: datetime) -> int:
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _timestamp(at: datetime | None) -> bytes:
    return _NULL if at is None else _int8(8, _microseconds(at))


def _text(text: str | None) -> bytes:
    if text is None:
        return _NULL
    encoded = text.encode()
    return _length(len(encoded)) + encoded


_repeated_text = lru_cache(maxsize=1_000)(_text)


@lru_cache(maxsize=10_000)
def _outcome(
    direction: str | None,
    sip_code: int | None,
    sip_reason: str | None,
    q850_cause: int | None,
    released_by: str | None,
) -> bytes:
    code = _NULL if sip_code is None else _int4(4, sip_code)
    cause = _NULL if q850_cause is None else _int4(4, q850_cause)
    return b"".join((_text(direction), code, _text(sip_reason), cause, _text(released_by)))


@lru_cache(maxsize=10_000)
def _rate(
    rated_by: str | None,
    prefix: str | None,
    card_id: int | None,
    revision: int | None,
    currency: str | None,
) -> bytes:
    card = _NULL if card_id is None else _int8(8, card_id)
    number = _NULL if revision is None else _int8(8, revision)
    return b"".join((_text(rated_by), _text(prefix), card, number, _text(currency)))


@lru_cache(maxsize=10_000)
def _inet(address: str | None) -> bytes:
    if address is None:
        return _NULL
    ip = ip_address(address)
    packed = ip.packed
    head = bytes((_INET_FAMILIES[ip.version], ip.max_prefixlen, 0, len(packed)))
    return _length(len(head + packed)) + head + packed


def _amount(amount: Decimal | None) -> bytes:
    # Cached by its text, because 1.0 and 1.00 are equal but have different scales.
    return _NULL if amount is None else _numeric(str(amount))


@lru_cache(maxsize=10_000)
def _numeric(text: str) -> bytes:
    """A finite amount as PostgreSQL's numeric: groups of four decimal digits."""
    whole, _, fraction = f"{Decimal(text):f}".removeprefix("-").partition(".")
    digits = whole.zfill(-(-len(whole) // 4) * 4) + fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    weight = -(-len(whole) // 4) - 1
    while groups and groups[-1] == 0:
        groups.pop()
    while groups and groups[0] == 0:
        del groups[0]
        weight -= 1
    sign = _NEGATIVE if text.startswith("-") and groups else 0
    head = _numeric_head(
        8 + 2 * len(groups), len(groups), weight if groups else 0, sign, len(fraction)
    )
    return head + b"".join(group.to_bytes(2, "big") for group in groups)
