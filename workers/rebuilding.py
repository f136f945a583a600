"""Rounds of rebuilds, in the order of `domain/summaries/rebuild_order.py`.

A recent hour is rebuilt separately, so that it does not wait for others. An older hour is rebuilt
together with the others of its customer and day, in one transaction on one partition of records.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import Place
from models.summaries import marks

_ROUND_SECONDS = 5.0  # then a round begins no further hour of its kind (recent or older)
_MAX_CONCURRENT_CUSTOMERS = 3  # per worker

Clock = Callable[[], datetime]


# Rebuilds an hour of an account, together with the others of its day if the flag is set. Returns
# for each hour that was rebuilt or set aside whether it was rebuilt; empty if the customer
# is locked; None if the hours cannot be rebuilt together.
Rebuild = Callable[[int, Place, bool], Awaitable[Mapping[Place, bool] | None]]


@dataclass(slots=True)
class _Round:
    """The hours of one round that are all recent or all older."""

    rebuild: Rebuild
    with_day: bool
    ends_at: float
    tried: set[tuple[int, Place]] = field(default_factory=set)
    rebuilt: set[int] = field(default_factory=set)  # accounts

    async def run(self, hours: Sequence[tuple[int, Place]]) -> None:
        groups = iter(rebuild_order.group_by_customer(hours))

        async def next_groups() -> None:
            for group in groups:
                await self._rebuild_group(group)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_MAX_CONCURRENT_CUSTOMERS):
                tasks.create_task(next_groups())

    async def _rebuild_group(self, group: Sequence[tuple[int, Place]]) -> None:
        with_day = self.with_day
        for account, place in group:
            if (account, place) in self.tried:  # together with another hour of its day
                continue
            if self.tried and asyncio.get_running_loop().time() > self.ends_at:
                return
            results = await self.rebuild(account, place, with_day)
            if results is None:  # an hour fails: separately, only that hour is set aside
                with_day = False
                results = await self.rebuild(account, place, with_day)
            if not results:
                self.tried.update(group)
                return
            self.tried.update((account, result_place) for result_place in results)
            if any(results.values()):
                self.rebuilt.add(account)


async def run_rounds(
    turns: rebuild_order.Turns, clock: Clock, rebuild: Rebuild, seconds: float
) -> bool:
    """Rebuilds until no marked hour can be rebuilt now, or the time is over.

    Returns whether marked hours remain because the time was over.
    """
    time = asyncio.get_running_loop().time
    end = time() + seconds
    turns.start_job()
    while accounts := turns.next_accounts(await marks.accounts_with_marks()):
        if time() > end:
            return True
        now = clock()
        await _rebuild_recent(turns, accounts, rebuild, now)
        await _rebuild_older(turns, accounts, rebuild, now)
        if turns.are_idle():
            return False
    return False


async def _rebuild_recent(
    turns: rebuild_order.Turns, accounts: Sequence[int], rebuild: Rebuild, now: datetime
) -> None:
    share, until = rebuild_order.RECENT_SHARE.of(len(accounts)), rebuild_order.recent_from(now)
    parts = {}
    for account in accounts:
        after = turns.walks[account].recent.after or marks.BEFORE_ALL
        parts[account] = await marks.walk(account, after, until, now, share)
    queues = [[(account, place) for place in part.due] for account, part in parts.items()]
    work = await _run(turns, rebuild, queues, with_day=False)
    for account, part in parts.items():
        _advance(turns.walks[account].recent, account, part, work)


async def _rebuild_older(
    turns: rebuild_order.Turns, accounts: Sequence[int], rebuild: Rebuild, now: datetime
) -> None:
    """Half of an account's share is the hours marked last; half is the next hours of its walk."""
    share, before = rebuild_order.OLDER_SHARE.of(len(accounts)), rebuild_order.recent_from(now)
    parts, queues = {}, []
    for account in accounts:
        newest = await marks.newest(account, before, now, share // 2)
        after = turns.walks[account].older.after or Place(before, 0)
        part = await marks.walk(account, after, marks.AFTER_ALL, now, share - len(newest))
        parts[account] = part
        places = rebuild_order.take_turns([newest, part.due])
        queues.append([(account, place) for place in places])
    work = await _run(turns, rebuild, queues, with_day=True)
    for account, part in parts.items():
        _advance(turns.walks[account].older, account, part, work)


async def _run(
    turns: rebuild_order.Turns,
    rebuild: Rebuild,
    queues: Sequence[Sequence[tuple[int, Place]]],
    *,
    with_day: bool,
) -> _Round:
    work = _Round(rebuild, with_day, asyncio.get_running_loop().time() + _ROUND_SECONDS)
    await work.run(rebuild_order.take_turns(queues))
    skipped = [queue for queue in queues if queue and work.tried.isdisjoint(queue)]
    if skipped:
        turns.put_first(skipped[0][0][0])
    return work


def _advance(walk: rebuild_order.Walk, account: int, part: marks.Part, work: _Round) -> None:
    places = {place for of, place in work.tried if of == account}
    walk.advance(part.steps, places, ends=part.ends, rebuilt=account in work.rebuilt)
