"""`account`: creates an account with its owner, and removes a lost second factor."""

import asyncio
import json
from pathlib import Path

import typer

from domain import refusals
from resolvers.identity import accounts, second_factor
from runtime import clock
from server import cli

commands = typer.Typer()
account = typer.Typer(no_args_is_help=True)
commands.add_typer(account, name="account")


@account.command()
def create(
    name: str = typer.Argument(help="The account's name."),
    email: str = typer.Option(help="The owner's e-mail address."),
    password: str = typer.Option(help="At least 10 characters.", envvar="CALLBOARD_PASSWORD"),
    as_json: bool = typer.Option(False, "--json", help="Print only the ids, as JSON."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Creates an account and its owner.

    Example: ./callboard account create "Example Voice" --email ops@voice.example --password …
    """
    try:
        created = asyncio.run(_create(data_dir, name, email, password))
    except refusals.Refusal as refusal:
        raise _refused(refusal) from refusal
    ids = {"accountId": created.account.id, "staffId": created.owner.id}
    typer.echo(json.dumps(ids) if as_json else f"Account {ids['accountId']}: sign in as {email}.")


@account.command()
def reset_two_factor(
    email: str = typer.Option(help="The e-mail address of the login."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Removes the second factor of a person who has lost it and the recovery codes.

    This ends all sessions of the person, who is notified by e-mail and then signs in with
    only the password. In the API, an owner can do this for others (removeTwoFactor).

    Example: ./callboard account reset-two-factor --email ops@voice.example
    """
    try:
        asyncio.run(_reset_two_factor(data_dir, email))
    except refusals.Refusal as refusal:
        raise _refused(refusal) from refusal
    typer.echo(f"{email} now signs in with only the password.")


@account.callback()
def _about() -> None:
    """Manages accounts. An account is a carrier's own tenancy.

    Example: ./callboard account create "Example Voice" --email ops@voice.example --password …
    """


def _refused(refusal: refusals.Refusal) -> typer.Exit:
    typer.echo(f"{refusal.code}: {refusal.message}", err=True)
    return typer.Exit(1)


async def _reset_two_factor(data_dir: Path, email: str) -> None:
    async with cli.open_services(data_dir):
        await second_factor.remove_by_command(email, clock.now())


async def _create(data_dir: Path, name: str, email: str, password: str) -> accounts.NewAccount:
    async with cli.open_services(data_dir):
        return await accounts.create(name, email, password, clock.now())
