"""A caller that has used much of the event loop yields to others while they have work."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from domain import turns
from resolvers import loop_share

HEAVY, LIGHT = turns.Holder(1, 1), turns.Holder(2, 2)
LONG = 3_600.0  # seconds of work, after which a caller is slowed


class Machine:
    """A share with a clock of its own, and the order of the work."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0
        self.share = loop_share.LoopShare(lambda: self.now, lambda: self.worked)
        self.steps: list[str] = []

    async def work(self, name: str, *seconds: float) -> None:
        """A step for each number, and one more."""
        for number in seconds:
            self.steps.append(name)
            self.worked += number
            await asyncio.sleep(0)

    def start(self, holder: turns.Holder, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.create_task(self.share.run(holder, work))

    async def slow_down(self, holder: turns.Holder = HEAVY, *, seconds: float = LONG) -> None:
        async def work() -> None:
            self.worked += seconds

        await self.share.run(holder, work())
        assert self.share.is_slowed(holder)


@pytest.fixture
async def machine() -> Machine:
    asyncio.get_running_loop().set_task_factory(loop_share.create_task)
    return Machine()


async def some_turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_slowed_caller_waits_while_another_request_is_running(machine: Machine) -> None:
    await machine.slow_down()
    with machine.share.foreground():
        running = machine.start(HEAVY, machine.work("heavy", LONG, LONG))
        await some_turns()
        assert machine.steps == []
        await machine.share.run(LIGHT, machine.work("light", 0.01, 0.01))
        assert machine.steps == ["light"] * 2
    await running
    assert machine.steps == ["light"] * 2 + ["heavy"] * 2


async def test_a_slowed_caller_runs_immediately_if_no_other_request_is_running(
    machine: Machine,
) -> None:
    await machine.slow_down()
    running = machine.start(HEAVY, machine.work("heavy", *[LONG] * 10))
    await some_turns()
    assert running.done()


@pytest.mark.parametrize(("seconds_later", "works"), [(2.0, False), (3.1, True)])
async def test_after_a_second_of_work_a_slowed_caller_yields_three_seconds_to_others(
    machine: Machine, seconds_later: float, works: bool
) -> None:
    await machine.slow_down(seconds=1.0)
    with machine.share.foreground():
        machine.now += seconds_later
        running = machine.start(HEAVY, machine.work("heavy", 0.0))
        await some_turns()
        assert running.done() == works
    await running


async def test_a_caller_with_little_work_is_not_slowed_and_recovers(machine: Machine) -> None:
    await machine.share.run(HEAVY, machine.work("first", *[0.01] * 20))
    assert not machine.share.is_slowed(HEAVY)
    await machine.share.run(HEAVY, machine.work("much", LONG))
    assert machine.share.is_slowed(HEAVY)
    machine.now += 31
    assert not machine.share.is_slowed(HEAVY)


async def test_customers_of_an_account_that_used_too_much_together_are_slowed(
    machine: Machine,
) -> None:
    for customer in range(10):
        await machine.share.run(turns.Holder(1, customer), machine.work("some", 0.2))
    assert machine.share.is_slowed(turns.Holder(1, "another"))
    assert not machine.share.is_slowed(turns.Holder(2, 1))


async def test_an_operation_that_is_slowed_does_not_wait_for_itself(
    machine: Machine,
) -> None:
    running = machine.start(HEAVY, machine.work("heavy", *[LONG] * 5))
    await some_turns()
    assert running.done()


async def test_of_slowed_callers_the_one_that_used_least_is_next(machine: Machine) -> None:
    more, less = turns.Holder(1, 1), turns.Holder(3, 3)
    await machine.slow_down(more)
    await machine.slow_down(less, seconds=0.5)
    with machine.share.foreground():
        tasks = [machine.start(more, machine.work("more", 0.1)) for _ in range(3)]
        tasks.append(machine.start(less, machine.work("less", 0.1)))
        await some_turns()
        assert machine.steps == []
    await asyncio.gather(*tasks)
    assert machine.steps == ["less", "more", "more", "more"]


async def test_tasks_created_by_an_operation_wait_as_it_does(machine: Machine) -> None:
    await machine.slow_down()

    async def work() -> None:
        await asyncio.gather(*(machine.work(f"{number}", LONG) for number in range(5)))

    with machine.share.foreground():
        running = machine.start(HEAVY, work())
        await some_turns()
        assert machine.steps == []
    await running
    assert sorted(machine.steps) == ["0", "1", "2", "3", "4"]


async def test_work_in_a_thread_counts_for_the_caller() -> None:
    share, results = loop_share.LoopShare(), list[int]()
    while not share.is_slowed(HEAVY):
        results.append(await share.in_thread(HEAVY, lambda: sum(range(100_000))))
    assert set(results) == {sum(range(100_000))}
    assert not share.is_slowed(LIGHT)


async def test_a_canceled_operation_passes_its_turn_to_the_next(machine: Machine) -> None:
    await machine.slow_down()
    with machine.share.foreground():
        tasks = [machine.start(HEAVY, machine.work(f"{n}", LONG, LONG)) for n in range(6)]
        await some_turns()
        for task in tasks[::2]:
            task.cancel()
    await some_turns(1)
    tasks[1].cancel()  # about when its turn starts
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks[::2]] == [True] * 3
    assert set(machine.steps) >= {"3", "5"}


@pytest.mark.parametrize("slow", [False, True])
async def test_results_errors_and_timeouts_are_unaffected_by_the_share(
    machine: Machine, slow: bool
) -> None:
    if slow:
        await machine.slow_down()

    async def returns() -> int:
        await asyncio.sleep(0)
        return 7

    async def raises() -> int:
        await asyncio.sleep(0)
        raise KeyError("seven")

    async def times_out() -> int:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
        return 0

    async def catches(work: Callable[[], Awaitable[int]]) -> int:
        try:
            return await asyncio.create_task(work())  # type: ignore[arg-type]
        except KeyError:
            return -1

    assert await machine.share.run(HEAVY, returns()) == 7
    assert await machine.share.run(HEAVY, catches(returns)) == 7
    assert await machine.share.run(HEAVY, catches(raises)) == -1
    with pytest.raises(KeyError):
        await machine.share.run(HEAVY, raises())
    with pytest.raises(TimeoutError):
        await machine.share.run(HEAVY, times_out())
