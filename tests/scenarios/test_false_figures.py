"""Redis, PostgreSQL and the web process killed and stopped in turn at 50 calls a second: no
subscriber and no query receives a false figure as complete.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from simulator.switch import Switch
from tests.support.scenarios.board import Board
from tests.support.scenarios.figures import LATE, Observer, observed
from tests.support.scenarios.installation import Installation, prepared, simulate, up
from tests.support.scenarios.second_web import second
from tests.support.scenarios.wallboards import until

CPS = 50
RIGHT_WITHIN = 30.0  # seconds after a failure
SETTLED = 12.0 - LATE  # `observed` waits LATE seconds more; `cps` covers the last 10 of the 12
STOPPED = 6.0  # seconds that a server does not run


async def test_no_false_figure_is_shown_as_complete_during_any_failure() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-figures-", ignore_cleanup_errors=True) as name,
        up(Path(name)) as installation,
        second(installation) as other,
    ):
        async with prepared(installation) as (board, key):
            switches: list[Switch] = []
            stop = asyncio.Event()
            simulation = asyncio.create_task(simulate(installation.url, key, switches, stop, CPS))
            await until(lambda: bool(switches), 10, "no switch")
            await asyncio.sleep(SETTLED)
            token = board.client.headers["Authorization"].removeprefix("Bearer ")
            async with observed(switches[0], [installation.url, other.url], token) as observer:
                await _through_failures(installation, board, observer)
            stop.set()
            await simulation
    print(*sorted(observer.kinds.items()), *observer.false, sep="\n")
    assert observer.false == []
    for kind in ("push: incomplete", "query: incomplete"):
        assert observer.kinds["Redis killed", kind] > 0


async def _through_failures(installation: Installation, board: Board, observer: Observer) -> None:
    failures: list[tuple[str, Callable[[], None]]] = [
        ("Redis killed", installation.lose_redis),
        ("Redis stopped", lambda: installation.stop("valkey", STOPPED)),
        ("PostgreSQL killed", installation.lose_postgres),
        ("PostgreSQL stopped", lambda: installation.stop("postgres", STOPPED)),
        ("web killed", installation.kill_web),
        ("web stopped", lambda: installation.stop_web(STOPPED)),
    ]
    observer.during = "before"
    await _complete(observer, "before")
    for during, fail in failures:
        observer.during = during
        await asyncio.to_thread(fail)
        seconds = await _complete(observer, during)
        print(f"{during}: complete after {seconds:.1f} s")


async def _complete(observer: Observer, during: str) -> float:
    """Seconds until a subscriber and a poller have been shown a complete figure."""
    for kind in ("push: complete", "query: complete"):
        observer.kinds[during, kind] = 0
    return await until(
        lambda: bool(
            observer.kinds[during, "push: complete"] and observer.kinds[during, "query: complete"]
        ),
        RIGHT_WITHIN,
        f"{during}: no complete figure",
    )
