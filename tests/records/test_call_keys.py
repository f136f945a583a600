"""The key of a call, in Python and in PostgreSQL, and the keys of the previous layout."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.records import calls, revisions
from domain.records.verdicts import Verdict
from models import db
from models.records import call_keys, call_records
from runtime.settings import ROOT
from tests.support.records import sample_records
from tests.support.records.sample_records import NOW, account, record, rows

pytestmark = pytest.mark.usefixtures("database")

_MIGRATION = Path(ROOT, "models/migrations/0013_record_keys.sql").read_text("utf-8")
_BEFORE = """
DROP TABLE record_keys;
CREATE TABLE record_keys (
    account_id bigint NOT NULL, switch text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL, leg integer NOT NULL, setup_at timestamptz NOT NULL,
    customer_id bigint NOT NULL, revision bigint NOT NULL, digest bytea NOT NULL,
    final boolean NOT NULL, PRIMARY KEY (account_id, switch, call_id, leg)
);
CREATE UNIQUE INDEX record_keys_one_final_leg ON record_keys (account_id, switch, call_id)
    WHERE final;
CREATE INDEX record_keys_setup ON record_keys USING brin (setup_at);
"""

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
legs = st.tuples(texts, texts, st.integers(0, 9_999))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keys=st.lists(legs, min_size=1, unique=True))
async def test_postgresql_computes_and_orders_the_keys_of_any_calls_like_python(
    keys: list[revisions.Key],
) -> None:
    ordered = await rows(
        f"SELECT switch, call_id, leg, {call_keys.SQL} AS call_key"
        " FROM unnest($1::text[], $2::text[], $3::smallint[]) AS leg_of (switch, call_id, leg)"
        " ORDER BY call_key, leg",
        *zip(*keys, strict=True),
    )
    assert [row[:3] for row in ordered] == sorted(keys, key=call_keys.lock_order)
    assert [(row[3], row[2]) for row in ordered] == [call_keys.of_leg(row[:3]) for row in ordered]


def test_calls_whose_concatenated_names_are_equal_have_different_keys() -> None:
    names = [("edge", "1a"), ("edge1", "a"), ("edge", "1a "), ("1a", "edge")]
    assert len({call_keys.compute(*name) for name in names}) == len(names)


async def test_a_call_has_at_most_one_final_leg_despite_manual_statements() -> None:
    mine = await account()
    await call_records.insert(mine, [record(leg=0), record(leg=1, final=False)], NOW)
    async with db.connection() as conn:
        with pytest.raises(Exception, match="record_keys_one_final_leg"):
            await conn.execute("UPDATE record_keys SET final = true WHERE leg = 1")


async def test_records_of_the_previous_layout_are_recognized_after_the_migration() -> None:
    mine, old = await account(), [record("a"), record("b", leg=3, talk=7), record("c")]
    await call_records.insert(mine, old, NOW)
    await _as_before(mine, old)
    async with db.transaction() as conn:
        await conn.execute(_MIGRATION)
    assert len(await sample_records.stored_records(mine)) == 3
    assert (await call_records.insert(mine, old, NOW)).verdicts == [Verdict.DUPLICATE] * 3
    changes = [
        record("a", talk=31, revision=1),
        record("b", leg=4),
        record("c", talk=99),
        record("d"),
    ]
    assert (await call_records.insert(mine, changes, NOW)).verdicts == [
        Verdict.CORRECTED,
        Verdict.SECOND_FINAL_LEG,
        Verdict.HELD,
        Verdict.ACCEPTED,
    ]
    assert await rows("SELECT digest FROM record_revisions WHERE state = 'SUPERSEDED'") == [
        (old[0].digest,)
    ]


async def _as_before(account_id: int, records: list[calls.Record]) -> None:
    values: list[tuple[Any, ...]] = [
        (
            account_id,
            record.switch,
            record.call_id,
            record.leg,
            record.setup_at,
            record.customer_id,
            record.digest,
        )
        for record in records
    ]
    async with db.transaction() as conn:
        await conn.execute(_BEFORE)
        await conn.executemany(
            "INSERT INTO record_keys VALUES ($1, $2, $3, $4, $5, $6, 0, $7, true)", values
        )
        # Longer digests than ingest computes, of which the first 16 bytes are stored.
        await conn.execute(
            "INSERT INTO record_keys SELECT account_id + 1, switch, call_id, leg, setup_at,"
            " customer_id, revision, digest || '\\x01', final FROM record_keys"
        )
