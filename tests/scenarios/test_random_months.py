"""Awkward records over two months with changing prices, against an independent calculation in
DuckDB; then records are removed, and what is stored is tampered with.

Everything goes the real way: several clients post over HTTP, the worker rebuilds the hours, and
what is compared are GraphQL's answers, to the last decimal.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from models.records import partitions
from models.summaries import hours
from runtime import clock
from tests.support.programs import Program
from tests.support.scenarios import call_messages as phases
from tests.support.scenarios import (
    expectations,
    graphql_checks,
    months,
    row_parts,
    tampering,
    worlds,
)
from tests.support.scenarios import proofs_of_months as proofs
from tests.support.scenarios.billed_months import (
    bill_the_first_month,
    bill_the_second_month,
    last,
    middle,
)
from tests.support.scenarios.board import Answer, Board, post
from tests.support.scenarios.late_messages import Archive
from tests.support.scenarios.truth import Truth

SEEDS = [int(seed) for seed in os.environ.get("CALLBOARD_TEST_SEED", "20261122 11").split()]
CALLS = 19_500  # attempts; with legs, repeats and corrections some 26,000 records a seed


@pytest.fixture
async def board(database: str, web: Program, worker: Program) -> AsyncIterator[Board]:
    board = Board(web.url)
    try:
        yield board
    finally:
        await board.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_two_random_months_add_up_to_the_last_decimal(
    seed: int, board: Board, worker: Program, tmp_path: Path
) -> None:
    world = worlds.world(clock.now())
    generator = months.Generator(world, seed)
    messages = generator.messages(CALLS)
    assert len(messages) > 25_500
    truth = Truth(world, messages, tmp_path)
    run = Run(board, truth, world, seed)
    await board.open_account(world.now)
    await board.settle(world)
    run.key = await board.key("INGEST")

    truth.at(phases.SECOND)
    for phase in (phases.BULK, phases.SECOND):
        await run.post([message for message in messages if message.phase == phase])
    await run.accept_other_calls(messages)
    await run.check_rows_and_graphs()
    first = await bill_the_first_month(board, truth, world)
    await proofs.check_balanced(board, truth, world, frozen=False)

    issued = await run.documents()
    messages += await run.change_prices(generator)
    billed = {name: expectations.billed_hours(truth, name, first[name]) for name in worlds.BILLED}
    truth.at(phases.FRESH)
    await run.post([one for one in messages if one.phase in (phases.LATE, phases.FRESH)])
    proofs.check_corrected_after_price_changes(truth, phases.LATE)
    assert await run.documents() == issued, "an issued invoice has changed"
    await run.check_rows()
    await bill_the_second_month(board, truth, world, first, billed)

    await run.rate_what_no_rate_matched()
    issued = await run.documents()
    await run.freeze_the_first_month(messages)
    assert await run.documents() == issued, "an issued invoice has changed"
    worker.stop()  # it would rebuild marked hours and post others
    await run.check_tampering()


class Run:
    """One seed's account, from outside and as it is calculated independently."""

    def __init__(self, board: Board, truth: Truth, world: worlds.World, seed: int) -> None:
        self.board, self.truth, self.world, self.seed = board, truth, world, seed
        self.key = ""

    async def post(self, messages: list[phases.Message]) -> None:
        """All are taken, those aside that are to be held; returns when no hour is marked."""
        counts = await post(self.board.url, self.key, messages, clients=4, seed=self.seed)
        assert counts["held"] == sum(is_held(message) for message in messages)
        assert counts.keys() <= {"accepted", "duplicates", "corrected", "held"}, counts
        await rebuilt()

    async def accept_other_calls(self, messages: list[phases.Message]) -> None:
        """What is held of another setup than that of what counts, each twice."""
        ids = [row["id"] for row in await self.board.held() if is_of_another_call(row)]
        assert len(ids) == sum(is_held(one) and one.reuses for one in messages) > 100
        for _ in range(2):
            accepted = await self.board.made(
                "acceptHeld",
                "... on DecidedRecords { records { code record { state } } }",
                ids=ids,
                decision="ANOTHER_CALL",
            )
            expected = {"code": None, "record": {"state": "ANOTHER_CALL"}}
            assert accepted["records"] == [expected] * len(ids)
        await rebuilt()

    async def documents(self) -> list[Answer]:
        found: list[Answer] = json.loads(json.dumps(await self.board.feed()))
        return found

    async def check_rows(self, *, frozen: bool = False) -> None:
        await graphql_checks.check_rows(self.board, self.truth, self.world)
        await graphql_checks.check_account(self.board, self.truth)
        await row_parts.check(self.board, self.truth, self.world)
        await proofs.check_balanced(self.board, self.truth, self.world, frozen=frozen)
        await proofs.check_balances(self.board, self.truth, self.world)
        start = middle(self.world) if frozen else self.world.start
        await proofs.check_kept_rates(self.truth, start)

    async def check_rows_and_graphs(self) -> None:
        await self.check_rows()
        await graphql_checks.check_cells(self.board, self.truth)
        await graphql_checks.check_graphs(self.board, self.truth)

    async def change_prices(self, generator: months.Generator) -> list[phases.Message]:
        """From now on; returns calls set up about that instant. The prices of calls that were
        charged cannot change."""
        calls: list[phases.Message] = []
        for card, revision in worlds.new_prices(self.world.now).items():
            refused = await self.board.revise(
                self.board.cards[card], revision, worlds.edges(self.world)[0]
            )
            assert refused["code"] == "EFFECTIVE_IN_PAST"
            calls += generator.fresh(60, await self.revise(card, revision, None))
        self.truth.add(calls)
        return calls

    async def revise(
        self, card: str, revision: worlds.Revision, effective_from: datetime | None
    ) -> datetime:
        newest = await self.board.revise(self.board.cards[card], revision, effective_from)
        at = graphql_checks.at(newest["effectiveFrom"])
        self.truth.revise(card, newest["number"], replace(revision, effective_from=at))
        return at

    async def rate_what_no_rate_matched(self) -> None:
        """A rate of the past, which is added for calls that none matched."""
        start = self.world.start
        assert await self.revise("narrow", worlds.missing_rate(start), start) == start
        since: str | None = start.isoformat()
        while since:
            rated = await self.board.made(
                "rateCalls",
                "... on RatedCalls { calls left goOnFrom }",
                **{"customerId": self.board.customers["ember"], "from": since},
            )
            assert rated["left"] == 0
            since = rated["goOnFrom"]
        self.truth.at(phases.FRESH)
        await rebuilt()
        await self.check_rows()

    async def freeze_the_first_month(self, messages: list[phases.Message]) -> None:
        """Removes its records, as the worker does at night; then nothing enters or leaves it."""
        await self.remove_records()
        archive = Archive(self.truth, messages, middle(self.world), self.seed)
        refused, answers = archive.messages()
        counts = await post(self.board.url, self.key, refused, clients=4, seed=self.seed)
        assert +counts == answers
        assert await hours.marked_hours(1) == []
        await self.check_frozen()
        start = self.world.start
        empty = archive.of_empty_hours(start, (middle(self.world) - start).days)
        self.truth.add(empty)
        self.truth.at(phases.FROZEN)
        await self.post(empty)
        await self.check_rows(frozen=True)
        await self.remove_records()

    async def remove_records(self) -> None:
        """Held records and those in quarantine keep no day that is older than `now`."""
        end = middle(self.world).date()
        days = [day for day in await partitions.existing_days() if day < end]
        assert days
        for _ in range(5):  # one that somebody uses stays until the next run
            await partitions.drop_before(end, clock.now())
        assert (await partitions.existing_days())[0] == end
        await self.check_frozen()

    async def check_frozen(self) -> None:
        await self.check_rows(frozen=True)
        await proofs.check_frozen(self.board, self.truth, self.world, middle(self.world))

    async def check_tampering(self) -> None:
        start, half, end = self.world.start, middle(self.world), last(self.world)
        await tampering.check_noticed(self.board, "acme", start, half, frozen=True)
        await tampering.check_noticed(self.board, "birch", half, end, frozen=False)


def is_held(message: phases.Message) -> bool:
    return message.held or (message.reuses and message.phase == phases.SECOND)


def is_of_another_call(row: Answer) -> bool:
    return bool(row["held"]["setupAt"] != row["counts"]["setupAt"])


async def rebuilt() -> None:
    """Waits for the worker: until no hour is marked."""
    for _ in range(600):
        if not await hours.marked_hours(1):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the worker has not rebuilt every hour within 60 s")
