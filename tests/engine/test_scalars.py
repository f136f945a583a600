import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from schema.engine import base
from schema.engine.scalars import SCALARS

LONG, DATE_TIME, DECIMAL = (cast("Any", SCALARS[type]) for type in (base.Long, datetime, Decimal))


def _read(scalar: Any, value: object) -> Any:
    return scalar.parse_value(value)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_long_is_read_and_written_unchanged(value: int) -> None:
    assert _read(LONG, json.loads(json.dumps(LONG.serialize(value)))) == value


@pytest.mark.parametrize("value", [2**53, -(2**53), True, 1.0, "1", None, [1]])
def test_an_invalid_long_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        _read(LONG, value)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_written_exactly_and_without_an_exponent(value: Decimal) -> None:
    written = base.plain(value)
    assert Decimal(written) == value
    assert "E" not in written.upper()


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "Infinity", "-inf", "1e3", "", ".5", "5.", "+1", " 1", "1_000", "١", "1\n"),
        *("1" * 19, "0." + "1" * 13, 1.5, True),
    ],
)
def test_an_invalid_decimal_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        _read(DECIMAL, value)


def test_a_decimal_string_and_an_integer_are_read_exactly() -> None:
    assert _read(DECIMAL, "-12.500000000001") == Decimal("-12.500000000001")
    assert _read(DECIMAL, 7) == Decimal(7)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_is_read_and_written_to_the_microsecond(value: datetime) -> None:
    written = DATE_TIME.serialize(value)
    assert written.endswith("Z")
    assert _read(DATE_TIME, written) == value


def test_an_instant_with_another_offset_is_converted_to_utc() -> None:
    value = datetime(2026, 11, 22, 3, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert DATE_TIME.serialize(value) == "2026-11-21T21:15:00.000000Z"
    assert _read(DATE_TIME, "2026-11-22T03:00:00+05:45") == value


@pytest.mark.parametrize(
    "value",
    [
        *("2026-11-22T03:00:00", "2026-11-22", "now", "", 1795318550, None),
        *("0001-01-01T00:00:00+14:00", "9" * 99),
    ],
)
def test_an_instant_without_an_offset_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        _read(DATE_TIME, value)


@given(st.text(), st.text())
def test_no_text_is_mistaken_for_an_id_or_a_cursor(garbage: str, kind: str) -> None:
    split = base.split_id(garbage)
    assert split is None or isinstance(split[1], int)


@given(st.integers(1, 2**62), st.integers(0, 2**62))
def test_only_the_account_of_an_id_can_decode_it(account: int, number: int) -> None:
    id = base.encode_id("Customer", account, number)
    assert base.decode_id(id, "Customer", account) == number
    assert base.decode_id(id, "Customer", account + 1) == base.UNKNOWN_ID
    assert base.decode_id(id, "Contact", account) == base.UNKNOWN_ID
    assert base.split_id(id) == ("Customer", account, (str(number),))
