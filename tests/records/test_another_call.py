"""A held record that staff accept as another call: both calls are billed, each exactly once."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.records import calls
from domain.records.review import HeldDecision
from domain.records.verdicts import Verdict
from models import db, faults
from models.records import call_records, held_records, partitions
from tests.support import outside_connection
from tests.support.records.frozen import rebuild, verdicts
from tests.support.records.sample_records import (
    NOW,
    SETUP,
    account,
    marked_hours,
    record,
    rows,
    stored_records,
)

pytestmark = pytest.mark.usefixtures("database")
AGAIN = SETUP + timedelta(minutes=20)  # when the switch used the call id again
OTHER_ID = "a~20261122T023000000000Z"


async def accept(
    mine: int, *chosen: held_records.HeldRecord, decision: HeldDecision = HeldDecision.ANOTHER_CALL
) -> list[Verdict]:
    """Of these, by default of all that is held."""
    waiting = list(
        chosen or reversed(await held_records.page(mine, held_records.Filter(), None, 500))
    )

    async def store() -> dict[int, Verdict]:
        async with db.transaction():
            every = waiting
            if decision is HeldDecision.ANOTHER_CALL:
                every = await held_records.with_other_legs(mine, waiting)
            return await held_records.accept(mine, every, NOW, decision)

    contents = [held_record.content for held_record in waiting]
    return list((await call_records.retry(store, contents)).values())


async def charges(mine: int) -> dict[str, Decimal]:
    """By call id, of legs that are final."""
    results = await rows(
        "SELECT call_id, charge FROM call_records WHERE account_id = $1 AND final", mine
    )
    assert len(results) == len(dict(results))
    return dict(results)


async def reused() -> tuple[int, calls.Record]:
    """An account with two calls of one id, of 30 s and 40 s; the second one is accepted."""
    mine = await account()
    second = record(talk=40, setup_at=AGAIN)
    assert await verdicts(mine, record(), second) == [Verdict.ACCEPTED, Verdict.HELD]
    assert await accept(mine) == [Verdict.ACCEPTED]
    return mine, second


async def test_both_calls_count_and_the_second_has_an_id_of_its_own() -> None:
    mine, _ = await reused()
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.4")}
    assert len(await stored_records(mine)) == 2
    query = "SELECT call_id, received_call_id, setup_at FROM call_records ORDER BY 1"
    assert await rows(query) == [("a", None, SETUP), (OTHER_ID, "a", AGAIN)]
    assert await rows("SELECT state, call_id FROM record_revisions") == [("ANOTHER_CALL", "a")]
    assert await marked_hours(mine) == [(1, SETUP.replace(minute=0))] * 2


async def test_the_same_content_again_is_a_duplicate_and_changes_nothing() -> None:
    mine, second = await reused()
    before = await stored_records(mine)
    assert await verdicts(mine, second, record()) == [Verdict.DUPLICATE] * 2
    assert await held_records.page(mine, held_records.Filter(), None, 5) == []
    assert await stored_records(mine) == before


async def test_a_correction_changes_the_call_with_its_setup_time() -> None:
    mine, _ = await reused()
    of_second = record(talk=50, setup_at=AGAIN, revision=None)
    of_first = record(talk=60, revision=1)
    moved = record(talk=70, setup_at=SETUP - timedelta(hours=3), revision=2)
    for batch in ([of_second, of_first], [of_second, of_first]):
        await verdicts(mine, *batch)
    assert await charges(mine) == {"a": Decimal("0.6"), OTHER_ID: Decimal("0.5")}
    assert await verdicts(mine, moved, of_second) == [Verdict.CORRECTED, Verdict.DUPLICATE]
    assert await charges(mine) == {"a": Decimal("0.7"), OTHER_ID: Decimal("0.5")}


async def test_a_correction_that_names_the_other_call_by_its_own_id_can_move_it() -> None:
    mine, _ = await reused()
    moved = record(OTHER_ID, talk=80, setup_at=AGAIN - timedelta(days=1), revision=1)
    assert await verdicts(mine, moved) == [Verdict.CORRECTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.8")}
    query = "SELECT received_call_id FROM call_records WHERE call_id <> 'a'"
    assert await rows(query) == [("a",)]
    still_its = record(talk=90, setup_at=AGAIN, revision=2)
    assert await verdicts(mine, still_its) == [Verdict.CORRECTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.9")}


async def test_a_second_end_of_the_other_call_is_held_beside_it() -> None:
    mine, _ = await reused()
    assert await verdicts(mine, record(talk=41, setup_at=AGAIN)) == [Verdict.HELD]
    [waiting] = await held_records.page(mine, held_records.Filter(), None, 5)
    assert waiting.counted is not None
    assert (waiting.counted.call_id, waiting.counted.talk_us) == (OTHER_ID, 40_000_000)
    assert await accept(mine) == [Verdict.SAME_CALL]
    assert await accept(mine, decision=HeldDecision.NEXT_REVISION) == [Verdict.CORRECTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.41")}


async def test_a_record_held_before_the_decision_belongs_to_the_call_of_its_setup() -> None:
    mine = await account()
    await verdicts(mine, record(), record(talk=40, setup_at=AGAIN))
    [chosen] = await held_records.page(mine, held_records.Filter(), None, 5)
    await verdicts(mine, record(talk=41, setup_at=AGAIN))
    assert await accept(mine, chosen) == [Verdict.ACCEPTED]
    [waiting] = await held_records.page(mine, held_records.Filter(), None, 5)
    assert waiting.counted is not None
    assert waiting.counted.call_id == OTHER_ID
    assert await accept(mine) == [Verdict.SAME_CALL]
    assert await accept(mine, decision=HeldDecision.NEXT_REVISION) == [Verdict.CORRECTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.41")}


async def test_a_record_with_the_setup_time_of_the_counted_record_is_no_other_call() -> None:
    mine = await account()
    await verdicts(mine, record(), record(talk=40))
    assert await accept(mine) == [Verdict.SAME_CALL]
    assert await charges(mine) == {"a": Decimal("0.3")}
    assert await rows("SELECT state FROM record_revisions") == [("HELD",)]


async def test_all_held_legs_of_an_attempt_become_one_call() -> None:
    mine = await account()
    legs = [(n, n == 1) for n in range(2)]
    await verdicts(mine, *(record(leg=leg, final=final) for leg, final in legs))
    again = [record(talk=40, leg=leg, final=final, setup_at=AGAIN) for leg, final in legs]
    assert await verdicts(mine, *again) == [Verdict.HELD] * 2
    third = record(talk=50, leg=1, setup_at=AGAIN + timedelta(minutes=3))
    assert await verdicts(mine, third) == [Verdict.HELD]
    final = next(
        held_record
        for held_record in await held_records.page(mine, held_records.Filter(), None, 5)
        if held_record.content == again[1]
    )
    assert await accept(mine, final) == [Verdict.ACCEPTED] * 2
    assert [key[1:] for key in sorted(await stored_records(mine))] == [
        *(("a", 0), ("a", 1), (OTHER_ID, 0), (OTHER_ID, 1))
    ]
    assert await accept(mine) == [Verdict.ACCEPTED]
    assert len(await charges(mine)) == 3


async def test_a_leg_that_was_refused_or_comes_late_is_of_the_other_call() -> None:
    mine = await account()
    first, final = (record(talk=40, leg=n, final=n == 1, setup_at=AGAIN) for n in range(2))
    arrived = await verdicts(mine, record(), first, final)
    assert arrived == [Verdict.ACCEPTED, Verdict.HELD, Verdict.SECOND_FINAL_LEG]
    assert await accept(mine) == [Verdict.ACCEPTED]
    assert await verdicts(mine, final) == [Verdict.ACCEPTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.4")}
    no_more_final = record(talk=40, leg=1, final=False, setup_at=AGAIN, revision=1)
    last = record(talk=45, leg=2, setup_at=AGAIN)
    assert await verdicts(mine, no_more_final, last) == [Verdict.CORRECTED, Verdict.ACCEPTED]
    assert await charges(mine) == {"a": Decimal("0.3"), OTHER_ID: Decimal("0.45")}
    assert len(await stored_records(mine)) == 4


async def test_any_number_of_concurrent_decisions_accept_a_record_once() -> None:
    mine = await account()
    batch = [record(f"call-{n}", setup_at=at) for n in range(20) for at in (SETUP, AGAIN)]
    await verdicts(mine, *batch)
    waiting = await held_records.page(mine, held_records.Filter(), None, 500)
    decisions = [HeldDecision.ANOTHER_CALL, HeldDecision.NEXT_REVISION]
    outcomes = await asyncio.gather(
        *(accept(mine, *waiting, decision=decisions[n % 2]) for n in range(6)),
        *(verdicts(mine, *batch) for _ in range(3)),
    )
    counts = Counter(verdict for outcome in outcomes for verdict in outcome)
    assert counts[Verdict.ACCEPTED] + counts[Verdict.CORRECTED] == 20
    assert len(await stored_records(mine)) == 20 + counts[Verdict.ACCEPTED]
    assert len(await charges(mine)) == 20 + counts[Verdict.ACCEPTED]


async def test_a_held_record_of_a_frozen_hour_cannot_become_another_call() -> None:
    mine = await account()
    await verdicts(mine, record(), record(talk=40, setup_at=AGAIN))
    await rebuild()
    await rows("UPDATE hours SET frozen = true")
    assert await accept(mine) == [Verdict.HOUR_FROZEN]
    assert len(await stored_records(mine)) == 1
    assert await rows("SELECT state FROM record_revisions") == [("HELD",)]
    assert await rows("SELECT count(*) FROM reused_call_ids") == [(0,)]


async def test_another_call_of_an_archived_record_counts() -> None:
    mine = await account()
    await verdicts(mine, record(setup_at=SETUP - timedelta(days=2)))
    await rebuild()
    await partitions.drop_before(SETUP.date())
    await verdicts(mine, record(talk=40, setup_at=AGAIN))
    assert await accept(mine, decision=HeldDecision.NEXT_REVISION) == [Verdict.RECORD_ARCHIVED]
    assert await accept(mine) == [Verdict.ACCEPTED]
    assert await charges(mine) == {OTHER_ID: Decimal("0.4")}


async def test_a_body_that_ends_in_the_middle_of_an_event_accepts_nothing(database: str) -> None:
    mine = await account()
    await verdicts(mine, record(), record(talk=40, setup_at=AGAIN))
    marks, waiting = (
        await marked_hours(mine),
        await held_records.page(mine, held_records.Filter(), None, 5),
    )
    counts = "SELECT (SELECT count(*) FROM call_records), (SELECT count(*) FROM record_keys)"

    async def accept_and_die() -> None:
        async with db.transaction() as conn:
            await held_records.accept(mine, waiting, NOW, HeldDecision.ANOTHER_CALL)
            assert tuple(await conn.fetchrow(counts)) == (2, 2)
            async with outside_connection.connection(database) as apart:
                kill = "SELECT pg_terminate_backend($1)"
                await apart.execute(kill, await conn.fetchval("SELECT pg_backend_pid()"))
            await conn.execute("SELECT 1")

    with pytest.raises(faults.UnavailableError):
        await accept_and_die()
    assert await rows(counts) == [(1, 1)]
    assert await marked_hours(mine) == marks
    assert await rows("SELECT state FROM record_revisions") == [("HELD",)]
    assert await accept(mine) == [Verdict.ACCEPTED]


async def test_the_end_that_became_known_is_no_longer_listed_as_unknown() -> None:
    mine = await account()
    await verdicts(mine, record(), record(talk=40, setup_at=AGAIN))
    await rows(
        "INSERT INTO unknown_ends (account_id, switch, call_id, customer_id, reason, noticed_at)"
        " VALUES ($1, 'edge-1', 'a', 1, 'LEASE', $2)",
        mine,
        NOW,
    )
    await accept(mine)
    assert await rows("SELECT count(*) FROM unknown_ends") == [(0,)]


ATTEMPTS = [SETUP - timedelta(hours=5), SETUP, AGAIN]
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 2), st.integers(0, 5)),
        st.tuples(st.just("accept"), st.integers(0, 9), st.booleans()),
    ),
    max_size=14,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(happenings)
async def test_after_any_records_and_decisions_the_counted_records_match_a_model(
    steps: list[tuple[str, int, Any]],
) -> None:
    """The model identifies attempts by their setups, without keys or ids of other calls."""
    mine, model = await account(), Model()
    for kind, which, content_number in steps:
        if kind == "send":
            leg = record(
                talk=10 * which + content_number,
                setup_at=ATTEMPTS[which],
                revision=content_number // 2,
            )
            assert await verdicts(mine, leg) == [model.send(which, content_number)]
        elif model.waiting:
            waiting = await held_records.page(mine, held_records.Filter(), None, 50)
            assert len(waiting) == len(model.waiting)
            content = model.waiting[which % len(model.waiting)]
            chosen = next(
                held_record
                for held_record in waiting
                if held_record.content.talk_us == model.talk(content)
            )
            decision = list(HeldDecision)[content_number]
            assert await accept(mine, chosen, decision=decision) == [
                model.accept(content, content_number)
            ]
        counts = [(row[1], row[4]) for row in (await stored_records(mine)).values()]
        assert sorted(counts) == sorted(model.counted())


Content = tuple[int, int]  # attempt, and its content


class Model:
    """One call id. `calls`: by the attempt by which it is identified (None: only by the id), the
    content that counts and its revision; `contents`: of each call, those that do not count."""

    def __init__(self) -> None:
        self.calls: dict[int | None, tuple[Content, int]] = {}
        self.contents: dict[int | None, dict[Content, int]] = {None: {}}
        self.waiting: list[Content] = []

    def talk(self, content: Content) -> int:
        return (10 * content[0] + content[1]) * 1_000_000

    def counted(self) -> list[tuple[datetime, int]]:
        contents = [content for content, _ in self.calls.values()]
        return [(ATTEMPTS[content[0]], self.talk(content)) for content in contents]

    def _call(self, content: Content) -> int | None:
        attempt = content[0]
        if attempt not in self.calls or self.calls[None][0][0] == attempt:
            return None
        return attempt

    def _is_seen(self, call: int | None, content: Content) -> bool:
        return content in self.contents[call] or (
            call in self.calls and self.calls[call][0] == content
        )

    def send(self, attempt: int, content_number: int) -> Verdict:
        content, revision = (attempt, content_number), content_number // 2
        call = self._call(content)
        if self._is_seen(None, content) or self._is_seen(call, content):
            return Verdict.DUPLICATE
        if call not in self.calls:
            self.calls[call] = content, revision
            return Verdict.ACCEPTED
        counts, number = self.calls[call]
        if revision > number:
            self.contents[call][counts] = number
            self.calls[call] = content, revision
            return Verdict.CORRECTED
        is_held = revision == number or revision in self.contents[call].values()
        self.contents[call][content] = revision
        if is_held:
            self.waiting.append(content)
        return Verdict.HELD if is_held else Verdict.STALE

    def accept(self, content: Content, as_another: bool) -> Verdict:
        attempt, content_number = content
        if as_another:
            if attempt in self.calls or self.calls[None][0][0] == attempt:
                return Verdict.SAME_CALL
            self.calls[attempt], self.contents[attempt] = (content, content_number // 2), {}
            self.waiting.remove(content)
            return Verdict.ACCEPTED
        call = self._call(content)
        counts, number = self.calls[call]
        self.contents[call][counts] = number
        self.calls[call] = content, number + 1
        self.waiting.remove(content)
        return Verdict.CORRECTED
