"""Manual changes in the database, each made separately and undone afterwards."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import db
from models.records import partitions
from tests.support.scenarios.board import Board


@dataclass(frozen=True, slots=True)
class Change:
    """Of the rows of a table that meet the condition; `detail` is in the output of
    reconciliation."""

    table: str
    where: str
    sql: str
    detail: str


@dataclass(frozen=True, slots=True)
class Place:
    """An hour of a customer that has charged calls and is on an invoice."""

    account_id: int
    customer_id: int
    hour: datetime
    invoice_id: int

    @property
    def of(self) -> str:
        return f"account_id = {self.account_id} AND customer_id = {self.customer_id}"

    def within(self, column: str) -> str:
        end = self.hour + timedelta(hours=1)
        return f"{self.of} AND {column} >= '{self.hour}' AND {column} < '{end}'"


_PLACES = """
SELECT h.account_id, h.customer_id, h.hour, p.invoice_id
FROM hours h JOIN invoice_hours p USING (account_id, customer_id, hour)
JOIN customers c ON c.account_id = h.account_id AND c.id = h.customer_id
WHERE c.reference = $1 AND h.hour >= $2 AND h.hour < $3 AND h.charge > 0 AND h.answered > 1
  AND (p.charge, p.version) = (h.charge, h.version) AND EXISTS (
    SELECT FROM invoice_adjustments a
    WHERE a.account_id = h.account_id AND a.invoice_id = p.invoice_id
  ) = $4
ORDER BY h.hour LIMIT 1
"""


async def check_noticed(
    board: Board, customer: str, start: datetime, end: datetime, *, frozen: bool
) -> None:
    """Every change of an hour of the period is found; once it is undone, all agrees again."""
    async with db.connection() as conn:
        place = Place(*await conn.fetchrow(_PLACES, customer, start, end, not frozen))
    if frozen:
        await partitions.create_missing([place.hour.date()])
    day = place.hour.replace(hour=0)
    period = (day, day + timedelta(days=1))
    before = await board.proof(customer, *period)
    assert before["balanced"]
    changes = [*_of_sums(place), *_of_money(place, adjusted=not frozen)]
    changes += _of_frozen_hours(place, end) if frozen else _of_records(place)
    for change in changes:
        async with _changed(change):
            proof = await board.proof(customer, *period)
        assert not proof["balanced"], change
        details = [difference["detail"] for difference in proof["differences"]]
        assert any(change.detail in detail for detail in details), (change, details)
        assert await board.proof(customer, *period) == before, change


@asynccontextmanager
async def _changed(change: Change) -> AsyncIterator[None]:
    """Past the guards; undone by removing the rows and putting the old ones back."""
    async with db.connection() as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute(
            f"CREATE TEMP TABLE saved AS SELECT * FROM {change.table} WHERE {change.where}"
        )
        try:
            result = await conn.execute(change.sql)
            assert result.split()[-1] != "0", change
            yield
        finally:
            await conn.execute(f"DELETE FROM {change.table} WHERE {change.where}")
            await conn.execute(f"INSERT INTO {change.table} SELECT * FROM saved")
            await conn.execute("DROP TABLE saved")
            await conn.execute("RESET session_replication_role")


def _update(table: str, where: str, assignments: str, detail: str) -> Change:
    return Change(table, where, f"UPDATE {table} SET {assignments} WHERE {where}", detail)


def _remove(table: str, where: str, detail: str) -> Change:
    return Change(table, where, f"DELETE FROM {table} WHERE {where}", detail)


def _more(table: str, where: str, json: str, detail: str, source: str | None = None) -> Change:
    """A row more: one of the source (of the rows themselves) with other values."""
    insert = (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, {json})).* FROM {table} t"
        f" WHERE {source or where} LIMIT 1"
    )
    return Change(table, where, insert, detail)


_MILLIONTH = "{0} = {0} + 0.000001"


def _of_sums(place: Place) -> Iterator[Change]:
    hour = place.within("hour")
    day = f"{place.of} AND day = '{place.hour.replace(hour=0)}'"
    month = f"{place.of} AND month = '{place.hour.replace(day=1, hour=0)}'"
    charge = _MILLIONTH.format("charge")
    yield _update("rollups", place.within("slot"), charge, "differ from the hour's sums")
    yield _remove("rollups", place.within("slot"), "rows")
    yield _update("rollup_destinations", hour, charge, "differ from the hour's sums")
    yield _remove("rollup_destinations", hour, "destinations")
    yield _update("rollup_codes", hour, "attempts = attempts + 1", "SIP codes have")
    yield _remove("rollup_codes", hour, "SIP codes have 0 calls")
    yield _update("hours", hour, charge, "differ from the hour's sums")
    yield _update("hours", hour, "talk_us = talk_us + 1", "differ from the hour's sums")
    yield _update("hours", hour, _MILLIONTH.format("posted_charge"), "was posted")
    yield _update("hours", hour, "posted_version = version + 1", "was posted, the hour is at")
    yield _remove("hours", hour, "but 0 was posted")
    yield _update("day_sums", day, charge, "the day differs from its hours in charge")
    yield _remove("day_sums", day, "the day differs from its hours")
    yield _update("month_sums", month, "talk_us = talk_us + 1", "from its days in talk_us")
    yield _remove("month_sums", month, "the month differs from its days")


def _of_money(place: Place, *, adjusted: bool) -> Iterator[Change]:
    hour = f"{place.within('hour')} AND kind = 'CHARGE'"
    invoice = f"account_id = {place.account_id} AND invoice_id = {place.invoice_id}"
    itself = f"account_id = {place.account_id} AND id = {place.invoice_id}"
    usage, amount = f"{invoice} AND kind = 'USAGE'", _MILLIONTH.format("amount")
    yield _update("ledger_entries", hour, amount, "the ledger has")
    yield _update("ledger_entries", hour, "currency = 'CHF'", "the ledger has entries in")
    yield _remove("ledger_entries", hour, "the ledger has 0")
    yield _update(
        "ledger_entries", f"{invoice} AND kind = 'TAX'", amount, "tax and rounding differ"
    )
    yield _update("balances", place.of, _MILLIONTH.format("posted"), "the stored balance is")
    yield _remove("balances", place.of, "the stored balance is 0")
    yield _update("invoice_lines", usage, amount, "lines do not sum to its subtotal")
    yield _update("invoice_lines", usage, "calls = calls + 1", "does not match its hash")
    yield _remove("invoice_lines", usage, "lines do not sum to its subtotal")
    yield _update("invoices", itself, "total = total + 1", "do not follow from its subtotal")
    yield _update("invoices", itself, "number = number || '0'", "does not match its hash")
    pin = f"{invoice} AND {place.within('hour')}"
    yield _update("invoice_hours", pin, _MILLIONTH.format("charge"), "which charges")
    yield _update("invoice_hours", pin, "version = version + 1", "was billed, the hour is at")
    yield _remove("invoice_hours", pin, "usage lines do not sum to its hours")
    if adjusted:
        yield _remove("invoice_adjustments", invoice, "not match the changes of their hours")


def _of_records(place: Place) -> Iterator[Change]:
    setup, other = place.within("setup_at"), """'{"call_id": "nobody has called"}'"""
    charge = _MILLIONTH.format("charge")
    yield _update("call_records", setup, charge, "records charge")
    yield _update("call_records", setup, "cost = coalesce(cost, 0) + 1", "records in cost")
    yield _update("call_records", setup, "sip_code = 999", "SIP codes differ from the records")
    yield _remove("call_records", setup, "record keys have no record")
    yield _more("call_records", setup, other, "1 records have no key")
    yield _update("rollups", place.within("slot"), "legs = legs + 1", "from the records in legs")
    yield _remove("record_keys", setup, "records have no key")
    yield _update("record_keys", setup, "final = false", "records have no key")
    key = "jsonb_build_object('call_key', gen_random_uuid())"
    yield _more("record_keys", setup, key, "1 record keys have no record")


def _of_frozen_hours(place: Place, end: datetime) -> Iterator[Change]:
    """`end`: later records remain."""
    setup, hour = place.within("setup_at"), place.within("hour")
    later = f"{place.of} AND setup_at >= '{end}' AND charge > 0"
    moved = f"""jsonb_build_object('setup_at', '{place.hour}'::timestamptz)"""
    yield _more("call_records", setup, moved, "records have 1 calls, rows", later)
    yield _more("call_records", setup, moved, "1 records have no key", later)
    leg = f"{moved} || '{{\"final\": false}}'"
    yield _more("call_records", setup, leg, "from the records in", later)
    yield _update("hours", hour, "frozen = false", "records have 0 calls, rows")
    key = "jsonb_build_object('call_key', gen_random_uuid())"
    yield _remove("record_keys", setup, "the frozen hour has 0 record keys")
    yield _more("record_keys", setup, key, "record keys, its rows")
    yield _update("rollups", place.within("slot"), "legs = legs + 1", "record keys, its rows")
    yield Change(
        "hour_marks",
        hour,
        "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
        f" VALUES ({place.account_id}, {place.customer_id}, '{place.hour}', now())",
        "the hour is frozen and marked",
    )
