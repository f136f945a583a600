"""The event loop time that callers have used, and its recovery."""

from domain.loop_time import Quota, Usage, Usages

QUOTA = Quota(1.0, 0.5)


def test_used_time_is_returned_gradually_and_a_quota_allows_a_burst() -> None:
    usage = Usage(QUOTA)
    usage.add(1.0, 0.0)
    assert not usage.exceeds_quota(0.0)
    usage.add(1.0, 0.0)
    assert usage.exceeds_quota(1.9)
    assert not usage.exceeds_quota(2.0)
    assert usage.seconds(100.0) == 0


def test_a_caller_is_below_its_quota_half_a_minute_after_any_use() -> None:
    usage = Usage(QUOTA)
    for second in range(1_000):
        usage.add(1.0, float(second))
    assert usage.exceeds_quota(1_028.0)
    assert not usage.exceeds_quota(1_029.0)


def test_only_callers_without_used_time_are_removed() -> None:
    usages = Usages(QUOTA, forget_above=10)
    for number in range(10):
        usages.of(number, 0.0).add(0.5 if number % 2 else 30.0, 0.0)
    usages.of("new", 5.0)
    assert len(usages) == 6
    assert usages.of(0, 5.0).seconds(5.0) > 0
