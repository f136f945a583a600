"""A few operations run at a time in a fair order, and a burst is not refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from domain import turns
from domain.identity.callers import Caller, Kind
from resolvers import capacity, loop_share


def contact(customer: int, account: int = 1) -> Caller:
    return Caller(account, Kind.CONTACT, 1, customer_id=customer)


def of(customer: int) -> turns.Holder:
    """Of an account of its own."""
    return capacity.holder(contact(customer, account=customer), None)


class Running:
    """Operations that run until they are ended."""

    def __init__(self) -> None:
        self.admission = capacity.Admission(loop_share.LoopShare())
        self.begun: list[Caller | None] = []
        self.end = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, caller: Caller | None, count: int = 1) -> None:
        """As many as may begin have begun."""
        self.tasks += [asyncio.create_task(self._run(caller)) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)

    async def _run(self, caller: Caller | None) -> None:
        async with self.admission.turn(caller):
            self.begun.append(caller)
            await self.end.wait()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    state = Running()
    yield state
    state.end.set()
    await asyncio.gather(*state.tasks)


async def test_no_customer_or_account_can_occupy_the_whole_capacity(
    running: Running,
) -> None:
    for customer in (1, 2, 3):
        await running.start(contact(customer), 100)
    assert running.begun == [contact(1)] * 2 + [contact(2)] * 2 + [contact(3)] * 2
    await running.start(contact(4), 100)
    await running.start(contact(1, account=2), 100)
    assert running.begun[6:] == [contact(1, account=2)] * 2


async def test_1000_concurrent_operations_all_run(running: Running) -> None:
    running.end.set()
    await running.start(contact(1), 1_000)
    await asyncio.gather(*running.tasks)
    assert len(running.begun) == 1_000


async def test_an_account_is_served_for_any_number_of_waiting_operations_of_others(
    running: Running,
) -> None:
    for account, customer in [(1, 1), (1, 2), (3, 3), (3, 4), (4, 5), (4, 6)]:
        await running.start(contact(customer, account), 2_000)
    newcomer = contact(7, account=2)
    await running.start(newcomer)
    running.end.set()
    await running.tasks[-1]
    assert newcomer in running.begun


async def test_an_unauthenticated_caller_does_not_wait(running: Running) -> None:
    await running.start(None, 50)
    assert len(running.begun) == 50


async def test_an_operation_that_waits_for_another_kind_of_turn_releases_its_place() -> None:
    admission, starts = capacity.Admission(loop_share.LoopShare()), []

    async def run() -> None:
        async with admission.turn(contact(1)):
            starts.append(1)
            async with capacity.aside():
                await asyncio.Event().wait()

    async with _tasks() as tasks:
        tasks += [asyncio.create_task(run()) for _ in range(20)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(starts) == 20


async def test_documents_are_read_in_a_fair_order_and_each_text_once() -> None:
    reading, read = capacity.Reading(), list[tuple[int, str]]()

    async def run(customer: int, text: str) -> None:
        async with reading.turn(text, of(customer)):
            read.append((customer, text))

    many = [asyncio.create_task(run(1, f"{{ a{number} }}")) for number in range(300)]
    others = [asyncio.create_task(run(customer, "{ b }")) for customer in range(2, 12)]
    await asyncio.gather(*others)
    assert len(read) <= len(others) + 5
    await asyncio.gather(*many)
    assert len(read) == 310


async def test_an_unreadable_or_canceled_document_ends_its_turn() -> None:
    reading = capacity.Reading()

    async def run(text: str) -> None:
        async with reading.turn(text, of(1)):
            raise ValueError(text)

    tasks = [asyncio.create_task(run(f"{{ {number % 10}")) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    await asyncio.wait(tasks)
    assert sum(task.cancelled() for task in tasks) == len(tasks[::3])
    async with reading.turn("{ last }", of(1)):
        pass


@asynccontextmanager
async def _tasks() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_an_operation_that_yielded_resumes_in_its_turn(running: Running) -> None:
    """As one that waits until passwords are compared, in fields side by side."""
    compared, went_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def compare(name: str) -> None:
        async with capacity.aside():
            await compared.wait()
        ended.append(name)

    async def sign(name: str) -> None:
        async with running.admission.turn(contact(1)):
            await asyncio.gather(compare(name), compare(name))
            went_on.set()

    signing = [asyncio.create_task(sign(name)) for name in ("first", "second")]
    await running.start(None)
    running.begun.clear()
    await running.start(contact(1), 3)
    assert len(running.begun) == 2, "in the turns of those that stepped aside"
    compared.set()
    await running.start(contact(2))
    assert not went_on.is_set()
    running.end.set()
    await asyncio.gather(*signing)
    assert len(ended) == 4


async def test_an_operation_that_is_canceled_while_it_yields_releases_its_turn(
    running: Running,
) -> None:
    async def wait() -> None:
        async with running.admission.turn(contact(1)), capacity.aside():
            await asyncio.Event().wait()

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await running.start(contact(1), 2)
    assert len(running.begun) == 2
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    running.end.set()
    await asyncio.gather(*running.tasks)
    running.begun.clear()
    running.end.clear()
    await running.start(contact(1), 3)
    assert len(running.begun) == 2
