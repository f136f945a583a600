from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.utils.str_converters import to_camel_case

from domain.periods import Period
from domain.summaries import delays, ratios
from domain.summaries.ratios import Sums
from tests.support.scenarios import graphql_checks


def test_ratios_are_null_without_a_denominator() -> None:
    none = Sums()
    assert ratios.ASR.of(none) is None
    assert ratios.ACD_SECONDS.of(none) is None
    assert ratios.DTMF_PERCENT.of(none) is None
    assert ratios.PDD_MS.of(none) is None
    assert ratios.LEGS_PDD_MS.of(none) is None
    assert ratios.ner({}) is None
    assert ratios.ner({302: 5}) is None


def test_ratios_follow_the_definitions_of_the_product() -> None:
    sums = Sums(
        attempts=8, answered=3, talk_us=10_000_000, dtmf_answered=1, pdd_us=4_500, pdd_count=2
    )
    hour = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC))
    assert ratios.ASR.of(sums) == Fraction(75, 2)
    assert ratios.ACD_SECONDS.of(sums) == Fraction(10, 3)
    assert ratios.DTMF_PERCENT.of(sums) == Fraction(100, 3)
    assert ratios.PDD_MS.of(sums) == Fraction(9, 4)
    assert ratios.cps(sums, hour, hour.end) == Fraction(8, 3600)
    assert ratios.LEGS_PDD_MS.of(Sums(legs_pdd_us=7_000, legs_pdd_count=2)) == Fraction(7, 2)
    assert ratios.ner({ratios.NO_CODE: 1, 200: 4, 302: 2, 404: 3, 486: 1, 503: 1}) == Fraction(50)


def test_calls_per_second_of_the_current_hour_use_its_elapsed_time() -> None:
    hour = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC))
    sums = Sums(attempts=90)
    assert ratios.cps(sums, hour, hour.start + timedelta(seconds=30)) == 3
    assert ratios.cps(sums, hour, hour.start + timedelta(milliseconds=2500)) == 36
    assert ratios.cps(sums, hour, hour.start + timedelta(milliseconds=1)) == 90
    assert ratios.cps(sums, hour, hour.end + timedelta(days=1)) == Fraction(90, 3600)
    for ahead in (timedelta(0), timedelta(minutes=3)):
        assert ratios.cps(sums, hour, hour.start - ahead) == Fraction(90, 3600)


counts = st.integers(0, 10**12)


@settings(deadline=None)
@given(st.lists(st.builds(Sums, counts, counts, counts, counts, counts, counts), max_size=5))
def test_sums_add_column_by_column(parts: list[Sums]) -> None:
    assert ratios.total(parts).talk_us == sum(part.talk_us for part in parts)
    assert ratios.total(parts).pdd_count == sum(part.pdd_count for part in parts)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([ratios.NO_CODE, 200, 300, 399, 400, 404, 480, 486, 503, 600, 603]))
)
def test_ner_is_the_share_of_effective_codes_among_attempts_not_redirected(
    codes: list[int],
) -> None:
    ner = ratios.ner(Counter(codes))
    counted = [code for code in codes if code // 100 != 3]
    effective = [code for code in counted if code in {200, 480, 486, 600, 603}]
    assert (ner is None) == (not counted)
    if ner is not None:
        assert ner * len(counted) == 100 * len(effective)
        assert 0 <= ner <= 100


def test_every_statistic_is_in_the_table_of_the_documentation() -> None:
    rules = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
    for statistic in (*ratios.STATISTICS, *delays.PERCENTILES):
        assert f"| `{to_camel_case(statistic.name)}` |" in rules, statistic.name


def test_every_statistic_is_compared_in_the_random_months() -> None:
    checks = Path(graphql_checks.__file__).read_text("utf-8")
    for statistic in (*ratios.STATISTICS, *delays.PERCENTILES):
        assert f'["{to_camel_case(statistic.name)}"]' in checks, statistic.name
