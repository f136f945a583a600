from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.periods import Granularity, RowKey
from domain.refusals import Refusal
from domain.summaries import cells
from domain.summaries.cells import Row
from domain.summaries.row_costs import Costs
from schema.summaries.columns import SummaryColumn

START = datetime(2026, 11, 1, tzinfo=UTC)
COLUMN = {column.name: column for column in cells.COLUMNS}


def test_every_column_of_the_api_has_a_rule() -> None:
    assert [column.name for column in SummaryColumn] == list(COLUMN)


def key(n: int = 0, customer: int | None = 1, kind: Granularity = Granularity.DAILY) -> RowKey:
    return RowKey(1, customer, kind, START + timedelta(days=n))


SUMS = (
    *("attempts", "answered", "talk_us", "dtmf_answered", "pdd_us", "pdd_count"),
    *("effective", "redirected"),
)
counts = st.integers(0, 10**9)
amounts = st.decimals(-(10**15), 10**15, places=12)
RATIOS = ("ASR", "ACD_SECONDS", "NER", "PDD_MS", "DTMF_PERCENT", "MARGIN_PERCENT")


@st.composite
def random_row(draw: st.DrawFn) -> Row:
    attempts = draw(counts)
    answered, pdd_count = draw(st.integers(0, attempts)), draw(st.integers(0, attempts))
    redirected = draw(st.integers(0, attempts))
    return Row(
        key(),
        version=1,
        attempts=attempts,
        answered=answered,
        talk_us=draw(st.integers(0, 10**15)) if answered else 0,
        billed_seconds=draw(counts),
        unrated=draw(st.integers(0, attempts)),
        dtmf_answered=draw(st.integers(0, answered)),
        pdd_us=draw(st.integers(0, 10**15)) if pdd_count else 0,
        pdd_count=pdd_count,
        effective=draw(st.integers(0, attempts - redirected)),
        redirected=redirected,
        charges={"EUR": draw(amounts)},
        costs=draw(st.builds(Costs, st.fixed_dictionaries({"EUR": amounts}), st.integers(0, 1))),
    )


rows = random_row()


def cost(row: Row) -> Fraction:
    assert row.costs is not None
    return Fraction(sum(row.costs.amounts.values()))


def profit(row: Row) -> Fraction | None:
    assert row.costs is not None
    return None if row.costs.uncosted else Fraction(row.charge) - cost(row)


def margin_percent(rows: list[Row]) -> Fraction | None:
    """Of the rows that have one, together."""
    profits = [(each, row) for row in rows if row.charge and (each := profit(row)) is not None]
    charge = Fraction(sum(row.charge for _, row in profits))
    return 100 * sum(each for each, _ in profits) / charge if charge else None


def value(name: str, row: Row) -> Fraction | None:
    """The cell, as a fraction of integers."""
    match name:
        case "ASR":
            return Fraction(100 * row.answered, row.attempts) if row.attempts else None
        case "ACD_SECONDS":
            return Fraction(row.talk_us, 10**6 * row.answered) if row.answered else None
        case "NER":
            counted = row.attempts - row.redirected
            return Fraction(100 * row.effective, counted) if counted else None
        case "PDD_MS":
            return Fraction(row.pdd_us, 1_000 * row.pdd_count) if row.pdd_count else None
        case "DTMF_PERCENT":
            return Fraction(100 * row.dtmf_answered, row.answered) if row.answered else None
        case "TALK_SECONDS":
            return Fraction(row.talk_us, 10**6)
        case "UNRATED_CALLS":
            return Fraction(row.unrated)
        case "CHARGE":
            return Fraction(row.charge)
        case "COST":
            return cost(row)
        case "PROFIT":
            return profit(row)
        case "MARGIN_PERCENT":
            return margin_percent([row])
        case _:
            return Fraction(getattr(row, name.lower()))


def close(text: str | None, exact: Fraction | None) -> bool:
    if text is None or exact is None:
        return text is None and exact is None
    return abs(Fraction(text) - exact) <= Fraction(1, 2 * 10**20)


@settings(deadline=None)
@given(st.sampled_from(sorted(COLUMN)), st.lists(rows, min_size=1, max_size=12))
def test_sums_and_averages_equal_those_of_fractions(name: str, chosen: list[Row]) -> None:
    got = cells.select(COLUMN[name], chosen)
    values = [cell for row in chosen if (cell := value(name, row)) is not None]
    assert got.count == len(chosen)
    assert close(got.cell_average, sum(values) / Fraction(len(values)) if values else None)
    if name == "MARGIN_PERCENT":
        assert got.sum is None
        assert close(got.weighted_average, margin_percent(chosen))
    elif name in RATIOS:
        whole = Row(
            key(),
            **{column: sum(getattr(row, column) for row in chosen) for column in SUMS},
        )
        assert got.sum is None
        assert close(got.weighted_average, value(name, whole))
    else:
        is_known = len(values) == len(chosen)
        assert (None if got.sum is None else Fraction(got.sum)) == (
            sum(values) if is_known else None
        )
        assert got.weighted_average is None


def test_an_average_of_averages_differs_from_the_weighted_average() -> None:
    few, many = Row(key(0), attempts=1, answered=1), Row(key(1), attempts=99, answered=0)
    got = cells.select(COLUMN["ASR"], [few, many])
    assert (got.cell_average, got.weighted_average) == ("50", "1")


def test_a_cell_without_a_value_is_excluded_from_the_mean_but_counted() -> None:
    got = cells.select(COLUMN["ASR"], [Row(key(0)), Row(key(1), attempts=3, answered=1)])
    assert (got.count, got.cell_average) == (2, "33.33333333333333333333")


def test_ratios_without_any_denominator_have_no_average() -> None:
    assert cells.select(COLUMN["ASR"], [Row(key())]) == cells.Selection(1, None, None, None)


def test_ten_thousand_cells_can_be_averaged() -> None:
    chosen = [Row(key(), attempts=n + 2, answered=n % 7) for n in range(10_000)]
    assert cells.select(COLUMN["ASR"], chosen).cell_average is not None


def test_a_row_selected_twice_counts_once() -> None:
    assert cells.distinct_rows([key(1), key(0), key(1)]) == [key(1), key(0)]


@pytest.mark.parametrize("other", [key(customer=2), key(customer=None), key(kind=Granularity.LIVE)])
def test_rows_of_several_tables_are_refused(other: RowKey) -> None:
    with pytest.raises(Refusal) as refused:
        cells.distinct_rows([key(1), other])
    assert refused.value.code == "MIXED_ROWS"


def test_money_of_several_currencies_is_not_added_but_counts_are() -> None:
    chosen = [
        Row(key(0), attempts=1, charges={"EUR": Decimal(1)}),
        Row(key(1), attempts=2, charges={"USD": Decimal(1)}),
    ]
    assert cells.select(COLUMN["ATTEMPTS"], chosen).sum == "3"
    with pytest.raises(Refusal) as refused:
        cells.select(COLUMN["CHARGE"], chosen)
    assert refused.value.code == "MIXED_ROWS"


def test_costs_in_another_currency_are_not_subtracted() -> None:
    costs = Costs({"USD": Decimal(1)})
    row = Row(key(), charges={"EUR": Decimal(3)}, costs=costs)
    assert cells.select(COLUMN["COST"], [row]).sum == "1"
    for name in ("PROFIT", "MARGIN_PERCENT"):
        with pytest.raises(Refusal) as refused:
            cells.select(COLUMN[name], [row])
        assert refused.value.code == "MIXED_ROWS"


def test_a_profit_needs_every_cost() -> None:
    whole = Row(key(0), charges={"EUR": Decimal(4)}, costs=Costs({"EUR": Decimal(1)}))
    lacking = Row(key(1), charges={"EUR": Decimal(9)}, costs=Costs({"EUR": Decimal(1)}, 1))
    assert cells.select(COLUMN["PROFIT"], [whole]) == cells.Selection(1, "3", "3", None)
    assert cells.select(COLUMN["PROFIT"], [whole, lacking]) == cells.Selection(2, None, "3", None)
    got = cells.select(COLUMN["MARGIN_PERCENT"], [whole, lacking])
    assert (got.cell_average, got.weighted_average) == ("75", "75")
