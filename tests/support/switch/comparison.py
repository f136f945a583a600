"""Compares the numbers of SIPp with those of Callboard."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from httpx2 import TimeoutException

from runtime import clock
from tests.support.switch.callboard import Callboard, IncompleteError
from tests.support.switch.traffic import Outcome

COMPARISONS: dict[str, str] = {}  # both sides by test, for the end of the run
TALK_TOLERANCE = 0.010  # seconds a call, on average
_LAG = timedelta(seconds=2)  # how far behind the switch the count may be, on a busy machine
_UNDER_WAY = timedelta(seconds=0.1)  # between SIPp and the switch


@dataclass(frozen=True, slots=True)
class Sample:
    asked_at: datetime
    answered_at: datetime
    in_use: int  # in the account
    of_customer: int


async def sampled(
    board: Callboard, go_on: Callable[[], bool], customer: str = "acme"
) -> list[Sample]:
    """The numbers of channels up, about five times a second."""
    samples = []
    while go_on():
        asked_at = clock.now()
        # If the machine is too busy, or a switch has yet to report: no sample, not a wrong one.
        with suppress(TimeoutException, IncompleteError):
            channels = await board.channels(customer)
            samples.append(Sample(asked_at, clock.now(), *channels))
        await asyncio.sleep(0.2)
    return samples


def check_samples(outcome: Outcome, samples: list[Sample]) -> None:
    """Each count is one that the callers saw within the lag before it."""
    assert len(samples) >= 10
    wrong = []
    for sample in samples:
        moments = [sample.asked_at - _LAG]
        while moments[-1] < sample.answered_at:
            moments.append(moments[-1] + _UNDER_WAY / 2)
        fewest, most = zip(*(outcome.up(at, _UNDER_WAY) for at in moments), strict=True)
        if not min(fewest) <= sample.in_use <= max(most):
            wrong.append((sample, min(fewest), max(most)))
    assert not wrong, wrong


async def compare(board: Callboard, outcome: Outcome, into: Path) -> None:
    """Writes both sides, and stores them for the end of the run; every number must be the same.

    Talk time, of each call and in total, may differ by the tolerance for each call.
    """
    calls = outcome.reported()
    answered_calls = [call for call in calls.values() if call.answer_at is not None]
    by_customer = await board.answered_by_customer()
    rows = [
        ("attempts", len(calls), sum(sums[0] for sums in by_customer.values())),
        ("answered", len(answered_calls), sum(sums[1] for sums in by_customer.values())),
        *_beside("SIP", outcome.codes(), await board.codes()),
        *_beside("legs", outcome.legs(), await board.legs()),
    ]
    talk = sum(call.talk for call in answered_calls)
    said_talk = sum(sums[2] for sums in by_customer.values())
    apart = await _talk_apart(board, outcome)
    lines = [f"{'':<20}{'SIPp':>12}{'Callboard':>12}"]
    lines += [f"{name:<20}{traced:>12}{reported:>12}" for name, traced, reported in rows]
    lines.append(f"{'talk, seconds':<20}{talk:>12.3f}{said_talk:>12.3f}")
    lines.append(f"talk apart, a call on average: {1000 * apart:.2f} ms")
    report = "\n".join(lines)
    await asyncio.to_thread(into.write_text, f"{report}\n")
    COMPARISONS[os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)")] = report
    assert all(traced == reported for _, traced, reported in rows), report
    assert apart <= TALK_TOLERANCE, report
    assert abs(talk - said_talk) <= TALK_TOLERANCE * len(answered_calls), report


def _beside(
    name: str, traced: Counter[Any], reported: Counter[Any]
) -> Iterator[tuple[str, int, int]]:
    for key in sorted(traced | reported):
        yield f"{name} {key}", traced[key], reported[key]


async def _talk_apart(board: Callboard, outcome: Outcome) -> float:
    """Seconds between SIPp's and Callboard's talk time of a call, on average."""
    durations = {id: row["talk_us"] / 1e6 for id, row in (await board.finals()).items()}
    return fmean(
        abs(call.talk - durations[id])
        for id, call in outcome.reported().items()
        if call.answer_at is not None
    )


async def check_nothing_is_doubted(board: Callboard) -> None:
    """No record was refused, repeated with other content, or closed without an end."""
    for table in ("quarantine", "record_revisions", "unknown_ends"):
        assert await board.count(table) == 0, table
