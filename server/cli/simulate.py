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
    url: str = typer.Option("http://127.0.0.1:8000", help="Where Callboard answers."),
    key: str = typer.Option(
        ..., envvar="CALLBOARD_INGEST_KEY", help="API key of scope INGEST; or in the environment."
    ),
    cps: float = typer.Option(20.0, min=0.01, max=1000, help="Calls set up a second."),
    duration: float = typer.Option(
        60.0, min=0, help="Seconds until it hangs up all its calls; 0: until Ctrl-C."
    ),
    seed: int | None = typer.Option(None, help="The same seed makes the same calls."),
    switch: str = typer.Option("sim-1", help="Name of the switch."),
    customers: str = typer.Option(",".join(CUSTOMERS), help="References, the busiest first."),
    carriers: str = typer.Option(",".join(CARRIERS), help="References, the busiest first."),
    talk: float = typer.Option(30.0, min=0.1, help="Mean talk time in seconds."),
    failover: float = typer.Option(
        0.05, min=0, max=0.9, help="Share of offers that a carrier turns down with 503."
    ),
) -> None:
    """Makes calls as a real switch would, hangs up at the end and prints what it sent as JSON.

    The customers and carriers have to exist. Every batch is repeated until it is acknowledged.

    Example: ./callboard simulate --key cb_1_k1_… --cps 20 --duration 60 --customers acme
    """
    mix = calls.Mix(_listed(customers), _listed(carriers), talk, failover)
    try:
        sent = asyncio.run(_run(url, key, mix, cps, duration or None, seed, switch))
    except* delivery.RejectedError as rejected:
        for error in rejected.exceptions:
            typer.secho(f"callboard: {error}", err=True, fg="red")
        raise typer.Exit(1) from None
    except* asyncio.CancelledError:
        typer.secho("callboard: gave up; not everything was delivered", err=True, fg="red")
        raise typer.Exit(1) from None
    json.dump(sent, sys.stdout, indent=2)
    print()


def _listed(names: str) -> tuple[str, ...]:
    listed = tuple(name.strip() for name in names.split(",") if name.strip())
    if not listed:
        raise typer.BadParameter("name at least one reference, such as acme")
    return listed


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
    this = asyncio.current_task()

    def asked_to_stop() -> None:
        """The first time it hangs up and delivers; the second time it gives up."""
        if stop.is_set() and this is not None:
            this.cancel()
        elif not stop.is_set():
            typer.echo("Hanging up; once more gives up what is not delivered.", err=True)
        stop.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, asked_to_stop)

    def in_trouble(why: str) -> None:
        typer.echo(f"callboard: {url} {why}; trying again", err=True)

    async with delivery.connect(url, key, in_trouble) as deliver:
        with progress.calls(deliver.answers) as shown:
            return await run.simulate(
                deliver,
                mix,
                name=name,
                cps=cps,
                stop=stop,
                duration=duration,
                seed=seed,
                watch=shown,
            )
