"""The tables of call records, as one transaction reads and writes them; its caller opens it.

`models/records.py` decides what becomes of a batch, and tries again what met another transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address
from operator import attrgetter
from typing import Any

from domain import calls, periods, revisions
from domain.revisions import Key
from models import customers, db, faults, rate_versions, record_sql

_FIELDS = (
    *("customer_id", "setup_at", "switch", "call_id", "leg", "revision", "carrier_id", "final"),
    *("source", "destination", "direction", "offered_at", "ringing_at", "answer_at"),
    *("end_at", "talk_us", "sip_code", "sip_reason", "q850_cause", "released_by", "dtmf_digits"),
    *("rated_by", "prefix", "rate_card_id", "billed_seconds", "charge", "cost"),
    *("rate_revision", "rate_per_minute", "currency"),
)
COLUMNS = ("account_id", "source_ip", *_FIELDS)
_values = attrgetter(*_FIELDS)
_KEY_FIELDS = (
    *("switch", "call_id", "leg", "setup_at", "customer_id", "revision", "digest", "final"),
)
_KEY_COLUMNS = ("account_id", *_KEY_FIELDS)
_key_values = attrgetter(*_KEY_FIELDS)


async def claim_all(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims all of the keys, or raises faults.Taken."""
    rows = [(account_id, *_key_values(record)) for record in records]
    await conn.copy_records_to_table("record_keys", records=rows, columns=_KEY_COLUMNS)
    return {row[1:4] for row in rows}


async def claim_new(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims those of the keys that are new."""
    columns = zip(*map(_key_values, records), strict=True)
    return {tuple(row) for row in await conn.fetch(record_sql.CLAIM, account_id, *columns)}


async def put(
    conn: db.Connection,
    account_id: int,
    records: Collection[calls.Record],
    now: datetime,
    left: frozenset[tuple[int, datetime]] = frozenset(),
) -> None:
    """Stores records whose keys are claimed, with marks for their hours and those they `left`.

    faults.CurrencyChangedError if a customer's currency is not the one they were read for,
    faults.RatesChangedError if its rates are not those they were rated by.
    """
    await _require_same_rates(conn, account_id, records)
    if await in_other_currency(conn, account_id, records):
        raise faults.CurrencyChangedError
    await _copy(conn, account_id, records)
    await mark(conn, account_id, _hours_of(records) | left, _ended(records), now)


async def _require_same_rates(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> None:
    rated_at = {
        one.customer_id: one.rates_version for one in records if one.rates_version is not None
    }
    if rated_at and rated_at != await rate_versions.hold(conn, account_id, rated_at):
        raise faults.RatesChangedError


async def in_other_currency(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> list[calls.Record]:
    """Those read for a currency that their customer is no longer billed in; the other customers
    keep theirs until the transaction ends."""
    held = await customers.hold_currencies(conn, account_id, {one.customer_id for one in records})
    return [
        one
        for one in records
        if one.currency not in (None, held.get(one.customer_id, one.currency))
    ]


async def _copy(conn: db.Connection, account_id: int, records: Iterable[calls.Record]) -> None:
    rows = [(account_id, _binary(record.source_ip), *_values(record)) for record in records]
    await conn.copy_records_to_table("call_records", records=rows, columns=COLUMNS)


@lru_cache(maxsize=10_000)
def _binary(address: str | None) -> int | str | None:
    """An IPv4 address as a number, which asyncpg encodes four times as fast as the text."""
    return int(IPv4Address(address)) if address and ":" not in address else address


async def mark(
    conn: db.Connection,
    account_id: int,
    hours: set[tuple[int, datetime]],
    ended: set[tuple[str, str]],
    now: datetime,
) -> None:
    customers, starts = zip(*hours, strict=True)
    switches, call_ids = zip(*ended, strict=True) if ended else ((), ())
    await conn.execute(record_sql.MARK, account_id, customers, starts, now, switches, call_ids)


def _hours_of(records: Iterable[calls.Record]) -> set[tuple[int, datetime]]:
    return {(record.customer_id, periods.hour_of(record.setup_at)) for record in records}


def _ended(records: Iterable[calls.Record]) -> set[tuple[str, str]]:
    return {(record.switch, record.call_id) for record in records if record.final}


async def digests(conn: db.Connection, account_id: int, keys: Iterable[Key]) -> dict[Key, bytes]:
    """Of the contents that count, by those of the keys that are claimed."""
    rows = await conn.fetch(record_sql.DIGESTS, account_id, *_key_columns(keys))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _key_columns(keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*keys, strict=True))


async def load(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> revisions.Book:
    """The records' calls with all their legs, locked until the transaction ends."""
    wanted = dict.fromkeys(map(revisions.key_of, records))
    called = sorted({key[:2] for key in wanted})
    locked = await conn.fetch(record_sql.LOCK_CALLS, account_id, *_key_columns(called))
    rows = {(row["switch"], row["call_id"], row["leg"]): row for row in locked}
    contents = await _contents(conn, account_id, {k: rows[k] for k in wanted if k in rows})
    current = {
        key: revisions.Current(
            row["revision"],
            row["digest"],
            row["customer_id"],
            row["setup_at"],
            row["final"],
            contents.get(key),
        )
        for key, row in rows.items()
    }
    seen: dict[Key, dict[bytes, int]] = {}
    for row in await conn.fetch(record_sql.SEEN, account_id, *_key_columns(wanted)):
        seen.setdefault((row[0], row[1], row[2]), {})[row["digest"]] = row["revision"]
    return revisions.Book(current, seen)


async def _contents(
    conn: db.Connection, account_id: int, rows: Mapping[Key, Any]
) -> dict[Key, str]:
    if not rows:
        return {}
    places = [(*key, row["customer_id"], row["setup_at"]) for key, row in rows.items()]
    found = await conn.fetch(record_sql.CONTENTS, account_id, *_key_columns(places))
    return {(row[0], row[1], row[2]): row["content"] for row in found}


async def write(conn: db.Connection, account_id: int, book: revisions.Book, now: datetime) -> None:
    """What was entered into a loaded book, with marks for the hours it changes."""
    await conn.executemany(
        record_sql.KEEP,
        [
            (account_id, *kept.key, kept.digest, kept.revision, kept.state, kept.content, now)
            for kept in book.kept
        ],
    )
    if not book.records:
        return
    old = {key: book.before[key] for key in book.records if key in book.before}
    await conn.executemany(
        record_sql.DELETE,
        [(account_id, was.customer_id, was.setup_at, *key) for key, was in old.items()],
    )
    # First what stops being final: at no instant may two legs of a call be.
    await conn.executemany(
        record_sql.UNFINAL, [(account_id, *key) for key, was in old.items() if was.final]
    )
    await conn.executemany(
        record_sql.REVISE, [(account_id, *_key_values(book.records[key])) for key in old]
    )
    new = [record for key, record in sorted(book.records.items()) if key not in old]
    if new and len(await claim_new(conn, account_id, new)) < len(new):
        raise faults.OvertakenError
    left = frozenset((was.customer_id, periods.hour_of(was.setup_at)) for was in old.values())
    await put(conn, account_id, book.records.values(), now, left)
