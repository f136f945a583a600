"""PostgreSQL stores the same from Callboard's binary rows as from those of asyncpg."""

from datetime import UTC
from decimal import Decimal
from operator import attrgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.records import calls
from models import db
from models.records import binary_rows, call_keys
from tests.support.records import sample_records

pytestmark = pytest.mark.usefixtures("database")

_own_values = attrgetter(*binary_rows.RECORD_COLUMNS[1:])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
optional_texts = st.none() | texts
instants = st.datetimes(timezones=st.just(UTC))
amounts = (
    st.none()
    | st.decimals(-(10**18), 10**18, places=None, allow_nan=False)
    | st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places),
        st.integers(-(10**18), 10**18),
        st.integers(-4, 12),
    )
)
int8, optional_int8 = st.integers(0, 2**63 - 1), st.none() | st.integers(0, 2**63 - 1)
optional_int4 = st.none() | st.integers(0, 2**31 - 1)
addresses = st.none() | st.ip_addresses().filter(lambda ip: "%" not in str(ip)).map(str)

records = st.builds(
    calls.Record,
    switch=texts,
    call_id=texts,
    leg=st.integers(0, 9_999),
    revision=st.integers(0, 1_000_001),
    digest=st.binary(min_size=16, max_size=16),
    customer_id=int8,
    carrier_id=int8,
    final=st.booleans(),
    source=texts,
    destination=texts,
    source_ip=addresses,
    direction=optional_texts,
    setup_at=instants,
    offered_at=instants,
    ringing_at=st.none() | instants,
    answer_at=st.none() | instants,
    end_at=instants,
    talk_us=int8,
    sip_code=optional_int4,
    sip_reason=optional_texts,
    q850_cause=optional_int4,
    released_by=optional_texts,
    dtmf_digits=int8,
    rated_by=st.sampled_from([None, "SWITCH", "CARD", "WAIVED"]),
    prefix=optional_texts,
    rate_card_id=optional_int8,
    billed_seconds=int8,
    charge=amounts,
    cost=amounts,
    currency=optional_texts,
    rate_revision=optional_int8,
    rate_per_minute=amounts,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(some_records=st.lists(records, min_size=1, max_size=10))
async def test_any_records_and_their_keys_are_encoded_as_by_asyncpg(
    some_records: list[calls.Record],
) -> None:
    theirs = [(7, *_own_values(record)) for record in some_records]
    ours = [binary_rows.record_row(7, record) for record in some_records]
    await _require_same("call_records", binary_rows.RECORD_COLUMNS, theirs, ours)
    keys = [
        (
            *(
                7,
                call_keys.compute(record.switch, record.call_id),
                record.setup_at,
                record.customer_id,
            ),
            *(call_keys.digest(record.digest), record.revision, record.leg, record.final),
        )
        for record in some_records
    ]
    key_rows = [binary_rows.key_row(7, record) for record in some_records]
    await _require_same("record_keys", binary_rows.KEY_COLUMNS, keys, key_rows)


async def _require_same(
    table: str, columns: tuple[str, ...], theirs: list[tuple[object, ...]], ours: list[bytes]
) -> None:
    async with db.transaction() as conn:
        for name in ("theirs", "ours"):
            await conn.execute(f"CREATE TEMP TABLE {name} (LIKE {table}) ON COMMIT DROP")
        await conn.copy_records_to_table("theirs", records=theirs, columns=columns)
        content = binary_rows.copy(ours)
        await conn.copy_to_table("ours", source=content, columns=columns, format="binary")
        rows = [await conn.fetch(f"SELECT {name}::text FROM {name}") for name in ("theirs", "ours")]
    assert [row[0] for row in rows[0]] == [row[0] for row in rows[1]]


@pytest.mark.parametrize(
    "text", ["0", "-0", "0.00", "1.50", "10000", "0.0001", "-0.00010", "12345678.9", "1E+5", "1E-7"]
)
async def test_an_amount_keeps_its_decimal_places(text: str) -> None:
    record = sample_records.record(charge=Decimal(text))
    ours = [binary_rows.record_row(7, record)]
    await _require_same(
        "call_records", binary_rows.RECORD_COLUMNS, [(7, *_own_values(record))], ours
    )
