from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import periods
from domain.periods import Granularity, Period
from domain.refusals import Refusal
from domain.summaries import cells, row_order
from domain.summaries.row_costs import Costs
from domain.summaries.row_order import Order

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMN = {column.name: column for column in cells.COLUMNS}
ORDERS = [Order(column, up) for column in (None, *cells.COLUMNS) for up in (False, True)]


def row(
    day: int, attempts: int = 0, answered: int = 0, charge: str = "0", uncosted: int = 0
) -> cells.Row:
    return cells.Row(
        periods.RowKey(1, 1, Granularity.DAILY, START + day * DAY),
        version=1,
        attempts=attempts,
        answered=answered,
        charges={"EUR": Decimal(charge)},
        costs=Costs({"EUR": Decimal("0.2")}, uncosted),
    )


small = st.integers(0, 3)
lists_of_rows = st.lists(
    st.builds(
        row,
        *(st.integers(0, 30), small, small),
        *(st.sampled_from(["-1", "0", "0.3", "2"]), st.integers(0, 1)),
    ),
    unique_by=lambda row: row.key,
)


def days(rows: list[cells.Row]) -> list[int]:
    return [row.key.start.day for row in rows]


@given(lists_of_rows, st.sampled_from(ORDERS), st.integers(1, 4))
def test_pages_return_every_row_once_in_order(
    rows: list[cells.Row], order: Order, size: int
) -> None:
    whole = order.page(rows, None, len(rows) + 1)
    assert sorted(days(whole)) == sorted(days(rows))
    read: list[cells.Row] = []
    while page := order.page(rows, order.position(read[-1]) if read else None, size):
        read += page
    assert read == whole


@given(lists_of_rows, st.sampled_from(ORDERS))
def test_values_are_in_order_and_rows_without_one_are_last(
    rows: list[cells.Row], order: Order
) -> None:
    values = [order.position(row).value for row in order.page(rows, None, len(rows))]
    known = [value for value in values if value is not None]
    assert values == [*known, *[None] * (len(values) - len(known))]
    assert known == sorted(known, reverse=not order.is_ascending)


def test_equal_rows_are_newest_first_in_both_directions() -> None:
    rows = [row(day, attempts=1) for day in (4, 2, 3)]
    for is_ascending in (False, True):
        assert days(Order(COLUMN["ATTEMPTS"], is_ascending).page(rows, None, 9)) == [5, 4, 3]


def test_a_row_that_changed_since_the_last_page_keeps_the_others_in_their_place() -> None:
    order = Order(COLUMN["ATTEMPTS"])
    before = [row(1, 5), row(2, 4), row(3, 3)]
    last = order.position(order.page(before, None, 2)[-1])
    after = [row(1, 1), row(2, 9), row(3, 3)]
    assert days(order.page(after, last, 9)) == [4, 2]


def test_a_ratio_is_compared_exactly() -> None:
    thirds, nearly = row(1, 3, 1), row(2, 3 * 10**18, 10**18 - 1)
    assert Order(COLUMN["ASR"]).position(thirds).value == Fraction(100, 3)
    assert days(Order(COLUMN["ASR"]).page([nearly, thirds], None, 2)) == [2, 3]


def test_amounts_in_several_currencies_are_not_compared() -> None:
    key = periods.RowKey(1, None, Granularity.DAILY, START)
    rows = [
        cells.Row(key, charges={"EUR": Decimal(1)}),
        cells.Row(key, charges={"USD": Decimal(1)}),
    ]
    Order(COLUMN["ATTEMPTS"]).require_one_currency(rows)
    Order(COLUMN["CHARGE"]).require_one_currency(rows[:1])
    with pytest.raises(Refusal) as refused:
        Order(COLUMN["CHARGE"]).require_one_currency(rows)
    assert refused.value.code == "MIXED_CURRENCIES"


def test_the_rest_of_a_range_begins_after_the_last_period() -> None:
    month, monday = Period(START, START + 30 * DAY), START + DAY
    down = row_order.rest(month, monday, Granularity.WEEKLY, is_ascending=False)
    assert down == Period(START, monday)
    up = row_order.rest(month, monday, Granularity.WEEKLY, is_ascending=True)
    assert up == Period(monday + 7 * DAY, month.end)
    outside = START - 9 * DAY
    empty = row_order.rest(month, outside, Granularity.DAILY, is_ascending=False)
    assert empty.start == empty.end
