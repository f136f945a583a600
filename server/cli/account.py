"""`account`: an account with its owner, and a way in for who has lost the second factor."""

import asyncio
import json
from pathlib import Path

import typer

from domain import refusals
from models import db
from resolvers import accounts, second_factor
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
        raise _refused(refusal) from refusal
    ids = {"accountId": made.account.id, "staffId": made.owner.id}
    typer.echo(json.dumps(ids) if as_json else f"Account {ids['accountId']}: sign in as {email}.")


@account.command()
def reset_two_factor(
    email: str = typer.Option(help="The login of who is locked out."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Removes the second factor of who has lost its authenticator app and its recovery codes.

    The person is signed out everywhere, told by mail, and signs in with the password alone.
    An owner can do the same for others in the API (removeTwoFactor).

    Example: ./callboard account reset-two-factor --email ops@voice.example
    """
    try:
        asyncio.run(_reset_two_factor(data_dir, email))
    except refusals.Refusal as refusal:
        raise _refused(refusal) from refusal
    typer.echo(f"{email} signs in with the password alone from now on.")


@account.callback()
def _about() -> None:
    """Accounts: each a carrier's own tenancy.

    Example: ./callboard account create "Example Voice" --email ops@voice.example --password …
    """


def _refused(refusal: refusals.Refusal) -> typer.Exit:
    typer.echo(f"{refusal.code}: {refusal.message}", err=True)
    return typer.Exit(1)


async def _reset_two_factor(data_dir: Path, email: str) -> None:
    async with cli.opened(data_dir):
        await second_factor.remove_by_command(email, clock.now())


async def _create(data_dir: Path, name: str, email: str, password: str) -> accounts.NewAccount:
    async with cli.opened(data_dir):
        await db.migrate()
        return await accounts.create(name, email, password, clock.now())
