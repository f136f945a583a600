"""`demo`: runs all of Callboard with a month of history and a simulated switch."""

import asyncio
import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from domain import refusals
from models.summaries import hours
from runtime import clock, logs, services
from runtime.settings import ROOT, Settings
from server import cli
from server.cli import progress, simulate
from server.cli.demo import account, text
from server.cli.parts import Part, Parts, require_free_port
from server.cli.up import is_answering, migrate_database
from simulator import calls, delivery, history

commands = typer.Typer()

_DAYS = 31
_BATCH = 4000
_SWITCH = "demo-1"
_TALK_SECONDS = 140.0
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0


@commands.command()
def demo(
    port: int = typer.Option(8000, min=1, max=65_535, help="TCP port of the web process."),
    cps: float = typer.Option(
        3.0, min=0.1, max=200, help="Calls per second of the simulated switch."
    ),
    records: int = typer.Option(
        40_000, min=100, help="Approximate number of calls in the history."
    ),
    data_dir: Annotated[
        Path,
        typer.Option(help="Folder of all demo data.", show_default="data/demo of the checkout"),
    ] = ROOT / "data" / "demo",
) -> None:
    """Runs Callboard with a demo account, 31 days of calls, and a switch that makes more calls.

    Ctrl-C stops it. The data stays in the data folder; delete the folder to start over.

    Example: ./callboard demo --port 8000
    """
    began = time.monotonic()
    require_free_port("127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    with cli.prepare_settings(data_dir) as settings, _lock_folder(data_dir):
        logs.configure("WARNING")  # the parts log to their own files
        asyncio.run(migrate_database(settings))
        settings = cli.with_public_url(settings, url)
        environment = settings.model_copy(update={"development": True}).environment()
        with Parts(environment) as parts:
            parts.add(Part("web", ["serve", "--port", str(port)], _log(data_dir, "web")))
            parts.add(Part("worker", ["worker"], _log(data_dir, "worker")))
            if not parts.watch(until=lambda: _ready(url, began, data_dir)):
                return
            filling = _Setup(settings, data_dir, url, records)
            filling.start()
            if not parts.watch(until=lambda: not filling.is_alive()):
                typer.echo("Stopping. The next start continues from here.")
                filling.stop()
                return
            if filling.error is not None:
                raise _failure_of(filling.error)
            credentials = filling.credentials
            environment["CALLBOARD_INGEST_KEY"] = credentials["keys"]["ingest"]
            options = ["--url", url, "--cps", str(cps), "--duration", "0", "--switch", "demo-live"]
            parts.add(
                Part("switch", ["simulate", *options, "--talk", "60"], _log(data_dir, "switch"))
            )
            typer.echo(text.welcome(credentials, data_dir, time.monotonic() - began))
            parts.watch()
            typer.echo("Stopping.")
            parts.end("switch")  # first, so that the web process receives the ends of its calls


@contextmanager
def _lock_folder(data_dir: Path) -> Iterator[None]:
    """Two demos of one folder would report as the same switch, with wrong counts."""
    with (data_dir / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise cli.failure(
                f"a demo already runs in {data_dir}; its URL is in credentials.json there."
                " Select another folder with --data-dir."
            ) from None
        yield


def _ready(url: str, began: float, data_dir: Path) -> bool:
    if is_answering(url):
        return True
    if time.monotonic() - began > _START_SECONDS:
        typer.secho(f"callboard: {url} does not answer; see {data_dir / 'logs'}", err=True)
        raise typer.Exit(1)
    return False


def _failure_of(error: Exception) -> Exception:
    """Prints an expected failure as one line; returns an unexpected error unchanged."""
    if not isinstance(error, account.SetupError | delivery.RejectedError | refusals.Refusal):
        return error
    hint = "If an earlier start was interrupted, delete the data folder and start again."
    typer.secho(f"callboard: {error} {hint}", err=True, fg="red")
    return typer.Exit(1)


def _log(data_dir: Path, name: str) -> Path:
    return data_dir / "logs" / f"{name}.log"


@dataclass
class _Setup(threading.Thread):
    """Creates account and history in a thread, while the command watches the parts.

    Keeps the account and the history that exist.
    """

    settings: Settings
    data_dir: Path
    url: str
    records: int
    credentials: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(name="filling", daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        try:
            asyncio.run(self._fill())
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """Stops where the next start can continue: after the account, or between two batches."""
        self.stopping.set()
        self.join(_STOP_SECONDS)

    async def _fill(self) -> None:
        assert self.settings.database_url is not None
        assert self.settings.redis_url is not None
        async with services.open_services(
            self.settings.database_url, self.settings.redis_url, pool=2
        ):
            await self._account()
            await self._history()

    async def _account(self) -> None:
        path = self.data_dir / "credentials.json"
        now = clock.now()
        credentials = account.load(path)
        if credentials is None:
            credentials = await account.create(self.url, now - timedelta(days=_DAYS + 2), now)
        self.credentials = credentials | {"url": self.url}
        account.save(path, self.credentials)

    async def _history(self) -> None:
        """Posts the history once. After an interruption it posts the same records again, which
        the server recognizes."""
        path = self.data_dir / "history.json"
        plan = account.load(path)
        if plan is None:
            end = clock.now() - timedelta(minutes=5)
            plan = {"end": end.isoformat(), "records": self.records, "seed": 1, "done": False}
            account.save(path, plan)
        if plan["done"]:
            typer.echo(f"Using the data in {self.data_dir}. Delete the folder to start over.")
            return
        await self._post(self.credentials["keys"]["ingest"], plan)
        if not self.stopping.is_set():
            await self._rebuilt()
        if not self.stopping.is_set():
            account.save(path, plan | {"done": True})

    async def _post(self, key: str, plan: dict[str, Any]) -> None:
        end, random = datetime.fromisoformat(plan["end"]), Random(plan["seed"])
        start = (end - timedelta(days=_DAYS)).replace(minute=0, second=0, microsecond=0)
        mix = calls.Mix(simulate.CUSTOMERS, simulate.CARRIERS, _TALK_SECONDS)
        planner = calls.Planner(mix, random, _SWITCH)
        records = history.records(random, planner, _SWITCH, (start, end), plan["records"])
        with progress.bars() as bars:
            task = bars.add_task("Posting 31 days of records", total=(end - start).days)
            async with delivery.connect(self.url, key) as deliver:
                while not self.stopping.is_set() and (batch := list(islice(records, _BATCH))):
                    await deliver.send_events(batch)
                    bars.update(task, completed=(batch[-1]["setup_at"] - start).days)
            if not self.stopping.is_set():
                bars.update(task, completed=(end - start).days)

    async def _rebuilt(self) -> None:
        """Waits until the worker has rebuilt every marked hour."""
        with progress.bars() as bars:
            task = bars.add_task("Summing up hours", total=None)
            total = 0
            while not self.stopping.is_set() and (left := len(await hours.marked_hours(100_000))):
                total = max(total, left)
                bars.update(task, total=total, completed=total - left)
                await asyncio.sleep(0.3)
            if not self.stopping.is_set():
                bars.update(task, total=total or 1, completed=total or 1)
