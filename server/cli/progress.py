"""Progress on standard error, where it is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from simulator.delivery import Answers
from simulator.switch import Switch


def bars() -> Progress:
    """A bar a task: what, how much of how much, since when."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def calls(answers: Answers) -> Iterator[Callable[[Switch], None]]:
    """One line about a simulated switch, redrawn as it goes on; give it the switch."""
    switches: list[Switch] = []

    def line() -> Text:
        return Text(
            "  ".join(
                f"{one.name}: {one.active} up, {one.sent.attempts} ended, "
                f"{len(one.queue)} events to deliver, {answers.retries} retries"
                for one in switches
            )
        )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield switches.append
        return
    with Live(console=console, get_renderable=line, refresh_per_second=4, transient=True):
        yield switches.append
