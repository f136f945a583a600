"""Calls through Kamailio: the figures of Callboard equal the counts of SIPp."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import Program
from tests.support.switch.callboard import CARRIERS, Callboard, until
from tests.support.switch.comparison import (
    Sample,
    check_nothing_is_doubted,
    check_samples,
    compare,
    sampled,
)
from tests.support.switch.traffic import (
    ANSWERED,
    BUSY,
    HUNG_UP_THERE,
    RINGS,
    UNKNOWN,
    Load,
    Outcome,
    site,
)

pytestmark = pytest.mark.switch

LIMIT = 5
LOADS = [
    Load("talk", "talk", ANSWERED, 60, 7),
    Load("hung up there", "listen", HUNG_UP_THERE, 30, 4, carriers=2),
    Load("busy", "refused", BUSY, 25, 4),
    Load("unknown", "refused", UNKNOWN, 20, 4, carriers=2),
    Load("no answer", "refused", RINGS, 12, 3),
    Load("cancelled", "cancel", RINGS, 20, 4),
    Load("digits", "digits", ANSWERED, 20, 4),
    Load("failed over", "talk", ANSWERED, 30, 5, carriers=3),
    Load("third choice", "talk", ANSWERED, 8, 3, carriers=5),
    Load("no room", "refused", ANSWERED, 10, 3, carriers=4),
    Load("too many", "hold", ANSWERED, 12, 40, "globex", 2, f";limit={LIMIT}", ("-d", "3000")),
    Load("too long", "listen", ANSWERED, 3, 3, more=";longest=2"),
    Load("stranger", "refused", ANSWERED, 5, 5, customer=None),
]
RELEASED_BY = {
    "talk": "caller",
    "hung up there": "callee",
    "busy": "callee",
    "unknown": "callee",
    "no answer": "switch",
    "cancelled": "caller",
    "digits": "caller",
    "failed over": "caller",
    "third choice": "caller",
    "no room": "callee",
    "too long": "switch",
}


@dataclass(frozen=True, slots=True)
class Run:
    board: Callboard
    outcome: Outcome
    samples: list[Sample]
    finals: dict[str, dict[str, Any]]


@pytest.fixture
async def run(web: Program, worker: Program, tmp_path: Path) -> AsyncIterator[Run]:
    """All the loads run concurrently, to their end."""
    board = await Callboard.open(web.url, {"acme": None, "globex": LIMIT}, CARRIERS)
    with site(tmp_path, web.url, board.token, LOADS) as place:
        for load in LOADS:
            place.call(load)
        samples = await sampled(board, lambda: place.calling, "globex")
        place.check_callers()
        await until(board.in_use, 0, 30)
        outcome = place.outcome()
        await until(board.attempts, len(outcome.reported()), 30)
        yield Run(board, outcome, samples, await board.finals())


async def test_the_figures_of_callboard_equal_those_of_sipp(run: Run, tmp_path: Path) -> None:
    await compare(run.board, run.outcome, tmp_path / "comparison.txt")
    await check_nothing_is_doubted(run.board)
    check_samples(run.outcome, run.samples)
    check_who_released(run)
    check_digits(run)
    check_channel_limit(run)
    await check_failover(run)


def check_who_released(run: Run) -> None:
    for load, by in RELEASED_BY.items():
        for id in run.outcome.of(load):
            assert run.finals[id]["released_by"] == by, (load, run.finals[id])


def check_digits(run: Run) -> None:
    pressed = {id: len(call.infos) for id, call in run.outcome.reported().items()}
    assert sum(pressed.values()) == 60
    assert {id: row["dtmf_digits"] for id, row in run.finals.items()} == pressed


def check_channel_limit(run: Run) -> None:
    """As many as there are channels went through; the others had no carrier."""
    assert max(sample.of_customer for sample in run.samples) == LIMIT
    rows = [run.finals[id] for id in run.outcome.of("too many")]
    assert sum(row["answer_at"] is not None for row in rows) == LIMIT
    for row in rows:
        if row["answer_at"] is None:
            assert (row["carrier"], row["sip_code"]) == (None, 503)
            assert (row["sip_reason"], row["released_by"]) == ("Channel limit reached", "switch")


async def check_failover(run: Run) -> None:
    """Every offer is a leg of one attempt, with its own instant of the offer."""
    expected = {
        "failed over": [("carrier-c", 503, "callee"), ("carrier-b", 200, "caller")],
        "third choice": [
            ("carrier-d", 408, "switch"),
            ("carrier-c", 503, "callee"),
            ("carrier-a", 200, "caller"),
        ],
    }
    records = await run.board.records()
    for load, offers in expected.items():
        for id in run.outcome.of(load):
            legs = [row for row in records if row["call_id"] == id]
            outcomes = [(row["carrier"], row["sip_code"], row["released_by"]) for row in legs]
            assert outcomes == offers
            assert [row["leg"] for row in legs if row["final"]] == [len(offers) - 1]
            assert {row["setup_at"] for row in legs} == {legs[0]["offered_at"]}
            for before, after in pairwise(legs):
                assert after["offered_at"] >= before["end_at"]
