"""`account`: an account with its owner."""

import asyncio
import json
from pathlib import Path

import typer

from domain import refusals
from models import db
from resolvers import accounts
from runtime import clock
from server import cli

commands = typer.Typer()
account = typer.Typer(no_args_is_help=True)
commands.add_typer(account, name="account")


@account.command()
def create(
    name: str = typer.Argument(help="The account's name."),
    email: str = typer.Option(help="The owner's login."),
    password: str = typer.Option(help="At least 10 characters.", envvar="CALLBOARD_PASSWORD"),
    as_json: bool = typer.Option(False, "--json", help="Print only the ids, as JSON."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Makes an account with its owner.

    Example: ./callboard account create "Example Voice" --email ops@voice.example --password …
    """
    try:
        made = asyncio.run(_create(data_dir, name, email, password))
    except refusals.Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(1) from refusal
    ids = {"accountId": made.account.id, "staffId": made.owner.id}
    typer.echo(json.dumps(ids) if as_json else f"Account {ids['accountId']}: sign in as {email}.")


@account.callback()
def _about() -> None:
    """Accounts: each a carrier's own tenancy.

    Example: ./callboard account create "Example Voice" --email ops@voice.example --password …
    """


async def _create(data_dir: Path, name: str, email: str, password: str) -> accounts.NewAccount:
    async with cli.opened(data_dir):
        await db.migrate()
        return await accounts.create(name, email, password, clock.now())
