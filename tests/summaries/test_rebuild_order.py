from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import OLDER_SHARE, RECENT_SHARE, Place, Step, Turns, Walk

NOW = datetime(2026, 11, 22, 9, 40, tzinfo=UTC)
ONE = timedelta(hours=1)
places = st.builds(
    Place, st.integers(0, 40).map(lambda n: NOW.replace(minute=0) - n * ONE), st.integers(1, 4)
)


def test_the_current_hour_and_the_three_before_it_are_recent() -> None:
    assert rebuild_order.recent_from(NOW) == datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_a_failing_hour_is_retried_after_15_s_then_less_often_and_at_least_hourly() -> None:
    delays = [rebuild_order.delay_after(n).total_seconds() for n in range(1, 12)]
    assert delays == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert rebuild_order.delay_after(10**6) == timedelta(hours=1)


@given(st.lists(st.lists(st.integers(), unique=True)))
def test_queues_take_turns_item_by_item(queues: list[list[int]]) -> None:
    own = [[(of, item) for item in queue] for of, queue in enumerate(queues)]
    turns = rebuild_order.take_turns(own)
    assert sorted(turns) == sorted(item for queue in own for item in queue)
    at = {item: queue.index(item) for queue in own for item in queue}
    assert [at[item] for item in turns] == sorted(at.values())


@given(st.lists(st.tuples(st.integers(1, 3), places), unique=True))
def test_the_hours_of_a_customer_form_one_group_in_their_order(
    hours: list[tuple[int, Place]],
) -> None:
    groups = rebuild_order.group_by_customer(hours)
    assert sorted(hour for group in groups for hour in group) == sorted(hours)
    keys = [{(account, place.customer_id) for account, place in group} for group in groups]
    assert all(len(key) == 1 for key in keys)
    assert len(set.union(set(), *keys)) == len(groups)
    assert all(group == sorted(group, key=hours.index) for group in groups)


@given(st.integers(1, 200), st.data())
def test_no_account_waits_longer_than_a_visit_of_all_accounts(
    size: int, data: st.DataObject
) -> None:
    turns, patient = Turns(), data.draw(st.integers(1, size))
    rounds = ceil(size / rebuild_order.ACCOUNTS_PER_ROUND)
    waited = 0
    for _ in range(rounds * 4):  # the others come and go
        others = data.draw(st.sets(st.integers(1, size), max_size=30)) | set(range(1, size, 2))
        waited = 0 if patient in turns.next_accounts(sorted(others | {patient})) else waited + 1
        assert waited <= rounds


@given(st.integers(2, 100), st.data())
def test_no_account_is_always_the_last_of_a_round(size: int, data: st.DataObject) -> None:
    turns, marked, served = Turns(), list(range(1, size + 1)), set[int]()
    for _ in range(size):
        accounts = turns.next_accounts(marked)
        count = data.draw(st.integers(1, len(accounts)))
        served |= set(accounts[:count])
        if count < len(accounts):
            turns.put_first(accounts[count])
    assert served == set(marked)


@given(st.integers(1, rebuild_order.ACCOUNTS_PER_ROUND))
def test_a_round_is_short_and_gives_each_account_a_share(accounts: int) -> None:
    for share in (RECENT_SHARE, OLDER_SHARE):
        assert share.of(accounts) >= 2
        assert share.of(accounts) * accounts <= 256


@dataclass
class Marked:
    """Marked hours of one account in memory, walked as `models.marks.walk` does."""

    hours: set[Place]
    failing: set[Place]
    share: int
    walk: Walk = field(default_factory=Walk)
    rebuilt: list[Place] = field(default_factory=list)

    def round(self, time_for: int) -> None:
        after = self.walk.after or Place(datetime.max.replace(tzinfo=UTC), 0)
        steps = []
        for place in sorted(self.hours, reverse=True):
            if place < after and sum(not step.waits for step in steps) < self.share:
                steps.append(Step(place, place in self.failing))
        due = [step.place for step in steps if not step.waits]
        tried = due[: max(1, time_for)]
        self.rebuilt += tried
        self.hours -= set(tried)
        self.walk.advance(steps, tried, ends=len(due) < self.share, rebuilt=bool(tried))


@given(st.sets(places), st.sets(places), st.sets(places), st.integers(1, 5), st.data())
def test_failing_hours_and_repeatedly_marked_hours_delay_no_other(
    hours: set[Place], failing: set[Place], again: set[Place], share: int, data: st.DataObject
) -> None:
    marked = Marked(hours | failing, failing, share)
    most = len(hours | again) + 2  # a walk that is cut off after an hour in every round
    for _ in range(2 * most):
        marked.hours |= again - failing
        marked.round(time_for=data.draw(st.integers(0, share)))
    assert hours - failing <= set(marked.rebuilt)
    assert not failing & set(marked.rebuilt)


@given(st.sets(places), st.sets(places), st.integers(1, 5))
def test_a_walk_is_idle_once_it_passed_all_hours_and_rebuilt_none(
    hours: set[Place], failing: set[Place], share: int
) -> None:
    marked = Marked(hours | failing, failing, share)
    rounds = 0
    while not marked.walk.is_idle:
        marked.round(time_for=share)
        rounds += 1
    assert marked.hours == failing
    assert rounds <= len(hours) + 2


def test_a_walk_that_began_before_the_job_is_idle_only_after_it_starts_again() -> None:
    newest, middle, oldest = (Place(NOW - n * ONE, 1) for n in range(3))
    walk = Walk()
    walk.advance([Step(newest, True), Step(middle, True)], [], ends=False, rebuilt=False)
    walk.restart_idleness()
    walk.advance([Step(oldest, True)], [], ends=True, rebuilt=False)
    assert not walk.is_idle
    walk.advance([Step(newest, True)], [], ends=True, rebuilt=False)
    assert walk.is_idle
