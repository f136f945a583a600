"""Stored calls, newest first, in pages that cost the same wherever they are in the list.

A page is read backward from a position by index, a few days at a time. If no index serves its
filter, it compares calls one by one. So its work is limited: a page that reaches a limit is short,
and the next page continues. The index of the account's calls (migration 0033) contains carriers:
finding those of a carrier reads its entries, 13 in a microsecond, but no other calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain import epoch
from domain.records import calls
from domain.records.call_filters import Filter
from models import db
from models.records import call_lookup, day_bounds, partitions, stored_records
from models.records.day_bounds import Span
from models.records.stored_records import TIE, Position, record_of

MAX_COMPARED = 20_000  # calls that one page compares with its filter
MAX_SPANS = 20  # of up to `day_bounds.MAX_DAYS` days, which one page reads
MAX_SKIPPED = 2_000_000  # calls of the account, among which one page finds those of a carrier
_DAY = timedelta(days=1)
_FIRST_DAYS = 2  # read first: most pages are of one or two days
_COMPARED_FIRST = 10  # calls per missing item: enough for most filters

_COLUMNS = f"{stored_records.COLUMNS}, {TIE} AS tie"
_ORDER = "ORDER BY setup_at DESC, tie DESC"
_ALL = f"SELECT {_COLUMNS} FROM call_records WHERE {{scope}} AND {{days}} {_ORDER} LIMIT {{limit}}"
# `number` counts the compared calls. The last of them is returned whether it matches or not. Each
# level repeats the order, so that PostgreSQL stops at the last match instead of sorting all levels.
_FILTERED = f"""
SELECT c.*, ({{filter}}) AS matches FROM (
    SELECT r.*, row_number() OVER () AS number, lead(true) OVER () IS NULL AS is_last FROM (
        SELECT {_COLUMNS} FROM call_records WHERE {{scope}} AND {{days}} {_ORDER} LIMIT {{compared}}
    ) r
    {_ORDER}
) c
WHERE ({{filter}}) OR is_last {_ORDER} LIMIT {{limit}}
"""
# The last hour before $4 that may have calls: marked hours are not summed yet.
_LAST_HOUR = """
SELECT greatest(
    (SELECT max(hour) FROM hours
     WHERE account_id = $1 AND {customer} AND hour >= $3 AND hour < $4),
    (SELECT max(hour) FROM hour_marks
     WHERE account_id = $1 AND {customer} AND hour >= $3 AND hour < $4)
)
"""
_ATTEMPTS = """
SELECT coalesce(sum(attempts), 0)::bigint FROM hours
WHERE account_id = $1 AND hour >= $2 AND hour < $3
"""
_CONDITIONS = {
    "answered": "(answer_at IS NOT NULL) = {0}",
    "source": "starts_with(ltrim(source, '+'), {0})",
    "destination": "starts_with(ltrim(destination, '+'), {0})",
    "carrier_ids": "carrier_id = ANY({0}::bigint[])",
    "sip_codes": "coalesce(sip_code = ANY({0}::int[]), false)",
    "released_by": "coalesce(released_by = {0}, false)",
    "call_id": "(call_id = {0} OR coalesce(received_call_id = {0}, false))",
}
_UNRATED = "final AND charge IS NULL"


@dataclass(frozen=True, slots=True)
class Scope:
    """The calls of an account, a customer or a carrier. Those of a carrier are all legs that it was
    offered; the others are final legs."""

    account_id: int
    customer_id: int | None = None
    carrier_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The calls with their positions. `rest`: the position after which the list continues; None if
    it ends here."""

    calls: list[tuple[calls.Record, Position]]
    rest: Position | None


async def page(
    scope: Scope, filter: Filter, before: Position | None, limit: int, now: datetime
) -> Page:
    """Up to `limit` calls before a position. The page can be short although the list continues."""
    end = (min(filter.end or now + _DAY, now + _DAY), 0)
    search = _Search(scope, filter, end if before is None else min(before, end), limit)
    async with db.connection() as conn:
        if filter.call_id is not None:
            await search.read_setups(
                conn, await call_lookup.setups(conn, scope.account_id, filter.call_id)
            )
        else:
            await search.read_days(conn, filter.start or epoch.EPOCH)
    return search.page()


class _Search:
    """Reads one page. `position`: every call that is not before it has been read."""

    def __init__(self, scope: Scope, filter: Filter, position: Position, limit: int) -> None:
        self._scope = scope
        self._limit = limit
        self._values: list[Any] = [scope.account_id, *position]
        self._scope_condition = " AND ".join(self._scope_conditions(filter))
        self._filter_condition = " AND ".join(self._filter_conditions(filter))
        self._compared = 0
        self._calls: list[tuple[calls.Record, Position]] = []
        self._is_over = False
        self._position: Position | None = position

    def _parameter(self, value: object) -> str:
        self._values.append(value)
        return f"${len(self._values)}"

    def _scope_conditions(self, filter: Filter) -> list[str]:
        """What an index serves."""
        conditions = ["account_id = $1", f"setup_at <= $2 AND (setup_at, {TIE}) < ($2, $3)"]
        if self._scope.customer_id is not None:
            conditions.append(f"customer_id = {self._parameter(self._scope.customer_id)}")
        if self._scope.carrier_id is not None:
            conditions.append(f"carrier_id = {self._parameter(self._scope.carrier_id)}")
        elif not filter.unrated:
            conditions.append("final")
        if filter.unrated:
            conditions.append(_UNRATED)
        if filter.start is not None:
            conditions.append(f"setup_at >= {self._parameter(filter.start)}")
        return conditions

    def _filter_conditions(self, filter: Filter) -> list[str]:
        values = {name: getattr(filter, name) for name in _CONDITIONS}
        conditions = [
            _CONDITIONS[name].format(self._parameter(value))
            for name, value in values.items()
            if value is not None
        ]
        return [*conditions, f"NOT ({_UNRATED})"] if filter.unrated is False else conditions

    async def read_days(self, conn: db.Connection, start: datetime) -> None:
        """Reads spans of days back to `start`, without days that have no calls."""
        assert self._position is not None
        end = self._position[0]
        span: Span | None = Span(max(start, _days_before(end, _FIRST_DAYS - 1)), end)
        skipped = 0
        for _ in range(MAX_SPANS):
            if span is None:
                self._position = None
                return
            if span.start < span.end:
                await self._read(conn, span)
            if self._is_over:
                return
            self._position = (span.start, 0)
            if self._scope.carrier_id is not None:
                skipped += await _attempts(conn, self._scope.account_id, span)
            if skipped > MAX_SKIPPED:
                return
            span = await _earlier(conn, self._scope, start, span.start)

    async def read_setups(self, conn: db.Connection, setups: Sequence[datetime]) -> None:
        """Reads only calls with these setups."""
        self._scope_condition += f" AND setup_at = ANY({self._parameter(list(setups))})"
        for span, _ in reversed(day_bounds.grouped(setups, lambda setup: setup)):
            await self._read(conn, span)
            if self._is_over:
                return
        self._position = None

    async def _read(self, conn: db.Connection, span: Span) -> None:
        parts = {"scope": self._scope_condition, "days": span.condition()}
        if not self._filter_condition:
            rows = await conn.fetch(_ALL.format(**parts, limit=self._missing), *self._values)
            self._add(rows)
            return
        compared = self._missing * _COMPARED_FIRST
        while not self._is_over:
            compared = min(compared, MAX_COMPARED - self._compared)
            statement = _FILTERED.format(
                **parts, filter=self._filter_condition, compared=compared, limit=self._missing
            )
            rows = await conn.fetch(statement, *self._values)
            self._add([row for row in rows if row["matches"]])
            if self._is_over or not rows or rows[-1]["number"] < compared:
                self._compared += rows[-1]["number"] if rows else 0
                return
            self._compared += compared
            self._position = self._values[1:3] = (rows[-1]["setup_at"], rows[-1]["tie"])
            self._is_over = self._compared == MAX_COMPARED
            compared = MAX_COMPARED

    @property
    def _missing(self) -> int:
        """One more than the page has, which shows that the list continues."""
        return self._limit + 1 - len(self._calls)

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._calls += [(record_of(row), (row["setup_at"], row["tie"])) for row in rows]
        self._is_over = self._missing == 0

    def page(self) -> Page:
        if self._missing == 0:
            calls = self._calls[: self._limit]
            return Page(calls, calls[-1][1])
        return Page(self._calls, self._position)


def _days_before(instant: datetime, days: int) -> datetime:
    return day_bounds.midnight(instant) - _DAY * days


async def _earlier(
    conn: db.Connection, scope: Scope, start: datetime, end: datetime
) -> Span | None:
    """The last days in [start, end) that may have calls. `end` is `start` or a midnight."""
    oldest = await partitions.oldest_day(conn)
    if oldest is None or end <= max(start, oldest):
        return None
    start = max(start, oldest)
    customer = "$2::bigint IS NULL" if scope.customer_id is None else "customer_id = $2"
    hour = await conn.fetchval(
        _LAST_HOUR.format(customer=customer),
        *(scope.account_id, scope.customer_id, day_bounds.midnight(start), end),
    )
    if hour is None:
        return None
    days = 1 if scope.carrier_id is not None else day_bounds.MAX_DAYS
    return Span(max(start, _days_before(hour, days - 1)), day_bounds.midnight(hour) + _DAY)


async def _attempts(conn: db.Connection, account_id: int, span: Span) -> int:
    """The account's attempts in a span, without those that are not summed yet."""
    attempts: int = await conn.fetchval(_ATTEMPTS, account_id, span.start, span.end)
    return attempts
