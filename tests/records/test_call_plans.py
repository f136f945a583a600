"""How PostgreSQL finds the calls of a page: by index, in a few partitions, in its order."""

import re
from datetime import timedelta
from typing import Any

import pytest

from domain.records.call_filters import Filter
from models import db
from models.records import call_list, call_lookup, partitions
from models.records.call_list import Scope
from tests.support.records import sample_records
from tests.support.records.sample_records import NOW

_DAYS, _PER_DAY = 30, 1_500
_CALLS = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, end_at, talk_us, charge)
SELECT $1, 1 + n % 20, $2::timestamptz - n * interval '57.6 s', 'edge-1', 'c' || n, 0, 0,
       1 + n % 5, true, '+441632960000', '+15550100', $2, $2, 0, 0
FROM generate_series(1, $3) n
"""
_HOURS = """
INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
                   billed_seconds, charge, unrated, rebuilt_at)
SELECT $1, c, h, 1, 1, 0, 0, 0, 0, 0, h
FROM generate_series($2::timestamptz - $3 * interval '1 day', $2, '1 hour') h,
     generate_series(1, 20) c
"""


@pytest.fixture
async def account(database: str) -> int:
    """45,000 calls of 30 days, whose statistics PostgreSQL knows."""
    id = await sample_records.account()
    await partitions.ensure_period((NOW - timedelta(days=_DAYS)).date(), NOW.date())
    async with db.connection() as conn:
        await conn.execute(_CALLS, id, NOW, _DAYS * _PER_DAY)
        await conn.execute(_HOURS, id, NOW, _DAYS)
        await conn.execute("ANALYZE call_records")
    return id


async def plans(scope: Scope, filter: Filter, position: Any, plans: str) -> list[str]:
    """The plans of a page's statements, as the page sends them."""
    sent: list[tuple[str, tuple[Any, ...]]] = []
    async with db.transaction() as conn:
        recorder = Recorder(conn, sent)
        search = call_list._Search(scope, filter, position, 50)
        await search.read_days(recorder, filter.start or NOW - timedelta(days=_DAYS))
        await conn.execute(f"SET LOCAL plan_cache_mode = {plans}")
        texts = []
        for statement, values in sent:
            if "FROM call_records" in statement:
                rows = await conn.fetch(f"EXPLAIN {statement}", *values)
                texts.append("\n".join(row[0] for row in rows))
    return texts


class Recorder:
    """A connection that keeps what is sent through it."""

    def __init__(self, conn: Any, sent: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._conn, self._sent = conn, sent

    async def fetch(self, statement: str, *values: Any) -> Any:
        self._sent.append((statement, values))
        return await self._conn.fetch(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        self._sent.append((statement, values))
        return await self._conn.fetchval(statement, *values)


CASES = [
    (Scope(0), Filter(), "setup_at"),
    (Scope(0, customer_id=3), Filter(), "pkey"),
    (Scope(0, carrier_id=2), Filter(), "setup_at_carrier"),
    (Scope(0), Filter(unrated=True), "customer"),
    (Scope(0), Filter(answered=True), "setup_at"),
    (Scope(0, customer_id=3), Filter(destination="999"), "pkey"),
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("scope", "filter", "index"), CASES)
async def test_each_statement_of_a_page_reads_an_index_of_a_few_partitions_in_order(
    account: int, scope: Scope, filter: Filter, index: str, mode: str
) -> None:
    own = Scope(account, scope.customer_id, scope.carrier_id)
    position = (NOW - timedelta(days=10), 2**62)
    texts = await plans(own, filter, position, mode)
    assert texts
    for text in texts:
        days = set(re.findall(r"call_records_(\d{8})\w*", text))
        assert 1 <= len(days) <= 7, text
    first = texts[0]
    assert f"_{index}" in first, first
    assert "Seq Scan" not in first, first
    assert len(re.findall("Sort Key", first)) == 1, first


async def test_a_page_deep_in_the_list_reads_as_many_buffers_as_the_first(account: int) -> None:
    for scope in (Scope(account), Scope(account, 3), Scope(account, carrier_id=2)):
        near = await _buffers(scope, NOW)
        far = await _buffers(scope, NOW - timedelta(days=25))
        assert far <= near * 1.5 + 20, (scope, near, far)


async def _buffers(scope: Scope, before: Any) -> int:
    async with db.connection() as conn:
        search = call_list._Search(scope, Filter(), (before, 0), 50)
        sent: list[tuple[str, tuple[Any, ...]]] = []
        await search.read_days(Recorder(conn, sent), NOW - timedelta(days=_DAYS))
        statement, values = sent[0]
        rows = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}", *values)
    text = "\n".join(row[0] for row in rows)
    hits = re.search(r"shared hit=(\d+)(?: read=(\d+))?", text)
    assert hits is not None, text
    return int(hits[1]) + int(hits[2] or 0)


async def test_the_legs_of_a_page_are_read_by_one_statement(account: int) -> None:
    page = await call_list.page(Scope(account), Filter(), None, 100, NOW)
    sent: list[str] = []
    async with db.transaction() as conn:
        conn.add_query_logger(lambda record: sent.append(record.query))
        await call_lookup.legs(account, [record for record, _ in page.calls])
    assert len([query for query in sent if "record_keys" in query or "call_records" in query]) == 1
