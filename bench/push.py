"""What a push costs: Callboard beside graphql-yoga, plain Strawberry and a bare fan-out.

Every server is a process on a core of its own; the crowd of wallboards, the publisher, Redis and
PostgreSQL share the other. All get the same document, ten topics and the same pushes in the same
run. CPU is user and system time of the server's process, memory its RSS with the sockets less that
without (Linux: /proc). Node and npm are needed for graphql-yoga, which is installed into the cache
folder of this user.

    ./callboard bench push             all of it, about fifteen minutes
    ./callboard bench push --quick     small numbers, to try it out
    ./callboard bench push fanout      or crowd, or stalled: that part alone
"""

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.fanout import account, crowd, measure, meter, servers, stalled
from bench.support import node_packages
from models import db
from runtime import embedded

PARTS = ("fanout", "crowd", "stalled")


@dataclass(frozen=True, slots=True)
class Size:
    fanout: tuple[measure.Load, ...]
    crowd: measure.Load
    stalled: tuple[int, float, float]  # sockets, seconds before the stall, at most after it


FULL = Size(
    (measure.Load(500, 60, 0.5), measure.Load(500, 150, 0.125), measure.Load(5_000, 8, 4.0)),
    measure.Load(10_000, 20, 1.0),
    (500, 20.0, 90.0),
)
QUICK = Size((measure.Load(100, 10, 0.5),), measure.Load(300, 5, 1.0), (40, 3.0, 75.0))

Start = Callable[[account.Account], AbstractAsyncContextManager[servers.Server]]


async def fanout(of: account.Account, load: measure.Load) -> None:
    print(f"\n{load.sockets} sockets, {load.topics} topics, a push every {load.period} s a topic\n")
    rows = []
    for start in _compared():
        async with start(of) as server:
            rows.append(await measure.measure(server, of, load))
    print(measure.table(rows))
    print(f"\n{measure.ratios(rows)}")


def _compared() -> list[Start]:
    starts: list[Start] = [servers.callboard, servers.bare, servers.plain]
    if node_packages.are_available():
        starts.insert(1, servers.yoga)
    else:
        print("graphql-yoga is not measured: node and npm are missing here.")
    return starts


async def crowded(of: account.Account, load: measure.Load) -> None:
    """Callboard alone, with a push a second each; then it is asked to end."""
    print(f"\n{load.sockets} sockets on Callboard, a push every {load.period} s a topic\n")
    async with servers.callboard(of) as server:
        measured = await measure.measure(server, of, load)
        print(measure.table([measured]))
        boards = crowd.Crowd(server.port, of.topics, of.tokens)
        await boards.open(load.sockets)
        seconds, codes = await stalled.drained(server, boards)
    print(f"\nSIGTERM with {load.sockets} sockets: ended after {seconds:.1f} s, codes {codes}")


async def stall(of: account.Account, sockets: int, quiet: float, longest: float) -> None:
    async with servers.callboard(of) as server:
        with measure.uncollected():
            stalled_sockets = await stalled.watch(server, of, sockets, quiet, longest)
        print(f"\n{stalled_sockets.describe()}")


async def main(parts: list[str], size: Size) -> None:
    meter.allow_open_files()
    with (
        tempfile.TemporaryDirectory(prefix="cb-bench-") as folder,
        meter.on_core(meter.CLIENT_CORE),
        embedded.servers(Path(folder), durable=False) as urls,
    ):
        await db.open_database(urls.database_url)
        await db.migrate()
        try:
            if "fanout" in parts:
                small = await account.create(urls, carriers=1)
                for load in size.fanout:
                    await fanout(small, load)
            if "crowd" in parts:
                await crowded(await account.create(urls, carriers=1), size.crowd)
            if "stalled" in parts:
                large = await account.create(urls, carriers=stalled.CARRIERS)
                await stall(large, *size.stalled)
        finally:
            await db.close_database()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./callboard bench push")
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="default: all of them"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, to try it out")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments.parts or list(PARTS), QUICK if arguments.quick else FULL))
