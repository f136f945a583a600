"""Many concurrent callers and carriers through one switch, and their combined observations."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.switch import sipp
from tests.support.switch.kamailio import Kamailio, Line, Route, free_udp_port

SCENARIOS = {
    "carrier-a": "carrier",
    "carrier-b": "carrier",
    "carrier-c": "full",
    "carrier-d": "silent",
}
ANSWERED, HUNG_UP_THERE, BUSY, UNKNOWN, RINGS = (f"1555010{digit}" for digit in "01236")


@dataclass(frozen=True, slots=True)
class Load:
    """`count` calls of one scenario, from a line of their own."""

    name: str
    scenario: str
    number: str
    count: int
    rate: float
    customer: str | None = "acme"  # None: an unauthenticated caller
    carriers: int = 1
    more: str = ""  # of the line, such as ;limit=5
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Site:
    """A switch with carriers a and b that accept calls, c that is full, and d that does not
    respond. Sets of carriers: 1 is a, 2 is b, 3 is c before b, 4 is only c, 5 is d before c
    before a."""

    folder: Path
    switch: Kamailio
    ports: dict[str, int]
    carriers: dict[str, sipp.Sipp]
    callers: dict[str, sipp.Sipp] = field(default_factory=dict)

    def call(self, load: Load) -> None:
        self.callers[load.name] = sipp.calls(
            self.folder,
            load.name,
            load.scenario,
            self.ports[load.name],
            self.switch.port,
            load.number,
            load.count,
            load.rate,
            *load.options,
        )

    @property
    def calling(self) -> bool:
        return any(program.process.poll() is None for program in self.callers.values())

    def wait(self, seconds: float) -> None:
        """Until all calls that were placed are over; `seconds` for each load."""
        for program in self.callers.values():
            program.process.wait(seconds)

    def check_callers(self) -> None:
        for program in self.callers.values():
            assert program.process.returncode == 0, program.complaint()
            assert program.failed == 0, program.complaint()

    def outcome(self) -> "Outcome":
        calls = {name: sipp.calls_in(program.trace) for name, program in self.callers.items()}
        for name, program in self.callers.items():
            assert len(calls[name]) == program.succeeded  # as SIPp itself counted
        offers = {name: sipp.calls_in(program.trace) for name, program in self.carriers.items()}
        return Outcome(calls, offers)

    def end(self) -> None:
        for program in [*self.callers.values(), *self.carriers.values()]:
            program.stop()


@contextmanager
def site(folder: Path, url: str, key: str, loads: Sequence[Load]) -> Iterator[Site]:
    """Starts carriers and switch; ends all that was started."""
    ports = {load.name: free_udp_port() for load in loads}
    at = {name: free_udp_port() for name in SCENARIOS}
    lines = [
        Line(ports[load.name], load.customer, load.carriers, load.more)
        for load in loads
        if load.customer is not None
    ]
    routes = [
        Route(1, at["carrier-a"], 10, "carrier-a"),
        Route(2, at["carrier-b"], 10, "carrier-b"),
        Route(3, at["carrier-c"], 20, "carrier-c"),
        Route(3, at["carrier-b"], 10, "carrier-b"),
        Route(4, at["carrier-c"], 10, "carrier-c"),
        Route(5, at["carrier-d"], 30, "carrier-d"),
        Route(5, at["carrier-c"], 20, "carrier-c"),
        Route(5, at["carrier-a"], 10, "carrier-a"),
    ]
    switch = Kamailio(folder / "switch", url, key, lines, routes)
    new_site = Site(folder, switch, ports, {})
    try:
        for name, port in at.items():
            new_site.carriers[name] = sipp.carrier(folder, name, SCENARIOS[name], port)
        sipp.wait_until_bound(*at.values())
        with switch:
            yield new_site
    finally:
        new_site.end()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The view of SIPp: calls by load and call id, and the offers to each carrier by call id."""

    calls: dict[str, dict[str, sipp.TracedCall]]
    offers: dict[str, dict[str, sipp.TracedCall]]

    def of(self, *names: str) -> dict[str, sipp.TracedCall]:
        return {id: call for name in names for id, call in self.calls[name].items()}

    def without(self, load: str) -> "Outcome":
        """As if those calls had never been."""
        ids = self.calls[load].keys()
        return Outcome(
            {name: calls for name, calls in self.calls.items() if name != load},
            {
                name: {id: call for id, call in offers.items() if id not in ids}
                for name, offers in self.offers.items()
            },
        )

    def reported(self) -> dict[str, sipp.TracedCall]:
        """The calls that a switch must report: all except the unauthenticated ones."""
        return {id: call for id, call in self.of(*self.calls).items() if call.code != 403}

    def codes(self) -> Counter[int]:
        return Counter(call.code for call in self.reported().values() if call.code is not None)

    def legs(self) -> Counter[str]:
        """By carrier; calls that were offered to none under `none`."""
        offered = {id for offers in self.offers.values() for id in offers}
        counts = Counter({name: len(offers) for name, offers in self.offers.items()})
        counts["none"] = len(self.reported().keys() - offered)
        return +counts

    def up(self, at: datetime, under_way: timedelta) -> tuple[int, int]:
        """Fewest and most calls up at the switch then, each message being under way that long."""
        fewest = most = 0
        for call in self.reported().values():
            end_at = call.end_at or datetime.max.replace(tzinfo=UTC) - under_way
            fewest += call.invite_at + under_way <= at < end_at - under_way
            most += call.invite_at <= at < end_at + under_way
        return fewest, most

    def delays(self) -> list[float]:
        """Seconds from INVITE to the first 180, if there was one."""
        return sorted(call.pdd for call in self.reported().values() if call.pdd is not None)
