"""Progress on standard error, if that is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from simulator.delivery import Answers
from simulator.switch import Switch


def bars() -> Progress:
    """A bar for each task: its name, completed of total, elapsed time."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def calls(answers: Answers) -> Iterator[Callable[[Switch], None]]:
    """A line about a simulated switch, which is redrawn. Yields a function that sets the switch."""
    switches: list[Switch] = []

    def line() -> Text:
        return Text(
            "  ".join(
                f"{switch.name}: {switch.active} active, {switch.sent.attempts} ended, "
                f"{len(switch.queue)} events to deliver, {answers.retries} retries"
                for switch in switches
            )
        )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield switches.append
        return
    with Live(console=console, get_renderable=line, refresh_per_second=4, transient=True):
        yield switches.append
