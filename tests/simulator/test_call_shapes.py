"""The planned calls: their invariants and their distribution over time."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator import calls, history

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)  # a Monday
MIX = calls.Mix(("acme", "harbour"), ("carrier-a", "carrier-b", "carrier-c"), failover=0.3)

seeds = st.integers(0, 2**32)
seconds = st.floats(0, 120)


def plan(seed: int, count: int = 40) -> list[calls.Call]:
    planner = calls.Planner(MIX, Random(seed), "test")
    return [planner.plan(AT + timedelta(seconds=n)) for n in range(count)]


def test_the_same_seed_plans_the_same_calls() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


@given(seeds)
def test_instants_never_run_backwards(seed: int) -> None:
    for call in plan(seed):
        instants = [at for at, _ in calls.events(call, "sim")]
        assert instants == sorted(instants)
        assert instants[0] == call.setup_at


@given(seeds)
def test_only_the_last_leg_is_final(seed: int) -> None:
    for call in plan(seed):
        ends = list(calls.records(call, "sim"))
        assert [end["leg"] for end in ends] == list(range(len(ends)))
        assert [end["final"] for end in ends] == [False] * (len(ends) - 1) + [True]


@given(seeds)
def test_a_call_is_offered_to_each_carrier_at_most_once(seed: int) -> None:
    for call in plan(seed):
        carriers = [leg.carrier for leg in call.legs]
        assert len(set(carriers)) == len(carriers)


@given(seeds)
def test_a_leg_is_answered_exactly_if_its_code_is_200(seed: int) -> None:
    for call in plan(seed):
        assert all((leg.answer_at is not None) == (leg.sip_code == 200) for leg in call.legs)


@given(seeds, seconds)
def test_a_call_that_is_cut_ends_at_that_time_and_keeps_its_earlier_events(
    seed: int, after: float
) -> None:
    for call in plan(seed):
        at = call.setup_at + timedelta(seconds=after)
        cut = calls.cut(call, at)
        assert cut.last.end_at <= max(at, call.setup_at)
        events = [event for when, event in calls.events(call, "sim") if when <= at]
        assert [event for _, event in calls.events(cut, "sim")][: len(events)] == events


def test_half_of_the_attempts_or_slightly_more_are_answered() -> None:
    answer_count = sum(call.last.answer_at is not None for call in plan(1, 4000))
    assert 2000 <= answer_count <= 2700


def test_the_mean_talk_time_is_the_configured_one() -> None:
    talks = [call.talk.total_seconds() for call in plan(1, 8000) if call.last.answer_at]
    assert 28 <= sum(talks) / len(talks) <= 32


def test_past_calls_are_frequent_on_monday_morning_and_rare_on_sunday_night() -> None:
    setups = list(history.setups(Random(1), AT - timedelta(days=28), AT, 40_000))
    assert setups == sorted(setups)
    assert 36_000 <= len(setups) <= 44_000
    monday = sum(t.weekday() == 0 and t.hour == 10 for t in setups)
    sunday = sum(t.weekday() == 6 and t.hour == 3 for t in setups)
    assert monday > 15 * sunday
