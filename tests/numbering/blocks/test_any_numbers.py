"""After any sequence of operations on ranges, blocks and SIP users the rules hold."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.numbering.number_plan import NumberPlan, between, code, open_plan

CUSTOMERS, HIGHEST = 3, 45
WHO = st.integers(0, CUSTOMERS - 1)
NUMBER = st.integers(0, HIGHEST)
SIZE = st.integers(1, 12)
# A range that is accepted at first, so that few operations are refused without one.
RANGE = st.tuples(st.integers(0, 15), st.integers(30, HIGHEST), SIZE)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("range"), NUMBER, NUMBER, SIZE),
        st.tuples(st.just("assign"), WHO, st.none() | NUMBER),
        st.tuples(st.just("assign"), WHO, st.none()),
        st.tuples(st.just("free"), st.integers(0, 5)),
        st.tuples(st.just("create"), WHO, NUMBER),
        st.tuples(st.just("remove"), st.integers(0, 20)),
    ),
    min_size=8,
    max_size=30,
)


@dataclass
class Model:
    """The rules, written plainly over sets of small numbers."""

    range: tuple[int, int, int] | None = None
    blocks: dict[tuple[int, int], int] = field(default_factory=dict)  # span -> customer
    users: dict[int, int] = field(default_factory=dict)  # number -> customer

    def in_blocks(self, *, of: int | None = None) -> set[int]:
        return {
            number
            for (first, last), customer in self.blocks.items()
            if of in (None, customer)
            for number in range(first, last + 1)
        }

    def is_free(self, customer: int, first: int, size: int) -> bool:
        numbers = set(range(first, first + size))
        others = {number for number, owner in self.users.items() if owner != customer}
        return not numbers & (self.in_blocks() | others)

    def lowest(self, customer: int) -> int | None:
        """In steps of a block from where the range or a gap between blocks begins."""
        assert self.range is not None
        start, end, size = self.range
        gaps = between(sorted(self.blocks))
        for first, last in [(max(start, first), min(end, last)) for first, last in gaps]:
            for candidate in range(first, last - size + 2, size):
                if self.is_free(customer, candidate, size):
                    return candidate
        return None

    def may_pick(self, customer: int) -> list[int]:
        if self.range is None:
            return []
        own = self.in_blocks(of=customer)
        allowed = own or set(range(self.range[0], self.range[1] + 1)) - self.in_blocks()
        return sorted(allowed - self.users.keys())

    def set_range(self, start: int, end: int, size: int) -> str:
        if end < start or size > end - start + 1:
            return "INVALID"
        if (self.in_blocks() | self.users.keys()) - set(range(start, end + 1)):
            return "RANGE_IN_USE"
        self.range = (start, end, size)
        return ""

    def assign(self, customer: int, first: int | None) -> str:
        if self.range is None:
            return "NO_NUMBER_RANGE"
        start, end, size = self.range
        if first is None:
            first = self.lowest(customer)
            if first is None:
                return "NO_FREE_BLOCK"
        if not start <= first <= end - size + 1:
            return "INVALID"
        if not self.is_free(customer, first, size):
            return "BLOCK_TAKEN"
        self.blocks[first, first + size - 1] = customer
        return ""

    def free(self, span: tuple[int, int]) -> str:
        if any(span[0] <= number <= span[1] for number in self.users):
            return "BLOCK_IN_USE"
        del self.blocks[span]
        return ""

    def create(self, customer: int, number: int) -> str:
        if self.range is None:
            return "NO_NUMBER_RANGE"
        if number in self.may_pick(customer):
            self.users[number] = customer
            return ""
        owner = self.users.pop(number, None)
        would_do = number in self.may_pick(customer)
        if owner is not None:
            self.users[number] = owner
        return "USERNAME_TAKEN" if would_do else "NUMBER_NOT_YOURS"


@dataclass
class Course:
    plan: NumberPlan
    model: Model = field(default_factory=Model)
    ids: dict[Any, int] = field(default_factory=dict)  # of blocks by span, of users by number

    async def step(self, kind: str, *values: Any) -> None:
        await getattr(self, kind)(*values)

    async def range(self, start: int, end: int, size: int) -> None:
        assert await code(self.plan.range(start, end, size)) == self.model.set_range(
            start, end, size
        )

    async def assign(self, who: int, first: int | None) -> None:
        customer = self.plan.customers[who]
        before = set(self.model.blocks)
        expected = self.model.assign(customer, first)
        if expected:
            assert await code(self.plan.assign(customer, first)) == expected
            return
        block = await self.plan.assign(customer, first)
        span = (block.span.first, block.span.last)
        assert {span} == set(self.model.blocks) - before
        self.ids[span] = block.id

    async def free(self, n: int) -> None:
        if not self.model.blocks:
            return
        span = sorted(self.model.blocks)[n % len(self.model.blocks)]
        assert await code(self.plan.free(self.ids[span])) == self.model.free(span)

    async def create(self, who: int, number: int) -> None:
        customer = self.plan.customers[who]
        expected = self.model.create(customer, number)
        if expected:
            assert await code(self.plan.create(customer, number)) == expected
        else:
            self.ids[number] = (await self.plan.create(customer, number)).id

    async def remove(self, n: int) -> None:
        if not self.model.users:
            return
        number = sorted(self.model.users)[n % len(self.model.users)]
        await self.plan.remove(self.ids[number])
        del self.model.users[number]

    async def check(self) -> None:
        assert await self.plan.spans() == sorted(self.model.blocks)
        await self.plan.check_gaps()
        for customer in self.plan.customers:
            free = self.model.may_pick(customer)
            assert await self.plan.available(customer, 100) == free
            if free:
                middle = free[len(free) // 2]
                assert (
                    await self.plan.available(customer, 2, after=middle)
                    == [number for number in free if number > middle][:2]
                )


@given(start=RANGE, steps=STEPS)
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_after_any_sequence_of_operations_the_rules_hold(
    plan_url: str, start: tuple[int, int, int], steps: list[Any]
) -> None:
    course = Course(await open_plan(CUSTOMERS))
    await course.range(*start)
    for step in steps:
        await course.step(*step)
    await course.check()
