"""`simulate`: a simulated switch that posts to a running Callboard."""

import asyncio
import json
import signal
import sys

import typer

from server.cli import progress
from simulator import calls, delivery, run

commands = typer.Typer()

CUSTOMERS = ("acme", "harbour", "maple", "summit", "lantern")
CARRIERS = ("carrier-a", "carrier-b", "carrier-c")


@commands.command()
def simulate(
    url: str = typer.Option("http://127.0.0.1:8000", help="URL of Callboard."),
    key: str = typer.Option(
        ..., envvar="CALLBOARD_INGEST_KEY", help="API key with the scope INGEST."
    ),
    cps: float = typer.Option(20.0, min=0.01, max=1000, help="Calls per second."),
    duration: float = typer.Option(
        60.0, min=0, help="Seconds until all calls are hung up; 0: until Ctrl-C."
    ),
    seed: int | None = typer.Option(None, help="The same seed produces the same calls."),
    switch: str = typer.Option("sim-1", help="Name of the switch."),
    customers: str = typer.Option(",".join(CUSTOMERS), help="References, the busiest first."),
    carriers: str = typer.Option(",".join(CARRIERS), help="References, the busiest first."),
    talk: float = typer.Option(30.0, min=0.1, help="Mean talk time in seconds."),
    failover: float = typer.Option(
        0.05, min=0, max=0.9, help="Share of offers that a carrier refuses with 503."
    ),
) -> None:
    """Simulates a switch: makes calls, hangs up at the end and prints the totals as JSON.

    The customers and carriers must exist. Every batch is sent again until it is acknowledged.

    Example: ./callboard simulate --key cb_1_k1_… --cps 20 --duration 60 --customers acme
    """
    mix = calls.Mix(_split_names(customers), _split_names(carriers), talk, failover)
    try:
        totals = asyncio.run(_run(url, key, mix, cps, duration or None, seed, switch))
    except* delivery.RejectedError as rejected:
        for error in rejected.exceptions:
            typer.secho(f"callboard: {error}", err=True, fg="red")
        raise typer.Exit(1) from None
    except* asyncio.CancelledError:
        typer.secho("callboard: stopped; some events were not delivered", err=True, fg="red")
        raise typer.Exit(1) from None
    json.dump(totals, sys.stdout, indent=2)
    print()


def _split_names(names: str) -> tuple[str, ...]:
    name_tuple = tuple(name.strip() for name in names.split(",") if name.strip())
    if not name_tuple:
        raise typer.BadParameter("name at least one reference, such as acme")
    return name_tuple


async def _run(
    url: str,
    key: str,
    mix: calls.Mix,
    cps: float,
    duration: float | None,
    seed: int | None,
    name: str,
) -> dict[str, object]:
    stop = asyncio.Event()
    task = asyncio.current_task()

    def handle_signal() -> None:
        """Hangs up and delivers at the first signal; cancels at the second."""
        if stop.is_set() and task is not None:
            task.cancel()
        elif not stop.is_set():
            typer.echo(
                "Hanging up. Press Ctrl-C again to stop without delivering all events.", err=True
            )
        stop.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, handle_signal)

    def report_problem(why: str) -> None:
        typer.echo(f"callboard: {url} {why}; trying again", err=True)

    async with delivery.connect(url, key, report_problem) as deliver:
        with progress.calls(deliver.answers) as call_progress:
            return await run.simulate(
                deliver,
                mix,
                name=name,
                cps=cps,
                stop=stop,
                duration=duration,
                seed=seed,
                watch=call_progress,
            )
