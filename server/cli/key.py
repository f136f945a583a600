"""`key`: API keys, the logins of programs."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from domain import refusals
from domain.identity import callers
from resolvers.identity import api_keys
from runtime import clock
from server import cli

commands = typer.Typer()
key = typer.Typer(no_args_is_help=True)
commands.add_typer(key, name="key")


@key.command()
def create(
    name: Annotated[str, typer.Argument(help="The program that uses the key, such as `edge-1`.")],
    account: cli.AccountId,
    scope: Annotated[
        list[callers.Scope], typer.Option(help="A permission of the key. Repeat it for several.")
    ],
    customer: str | None = typer.Option(
        None, help="Reference of the only customer that the key sees. Default: the whole account."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the id and the secret as JSON."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Creates an API key and prints its secret, which cannot be shown again.

    Example: ./callboard key create edge-1 --account 1 --scope INGEST
    """
    try:
        created = asyncio.run(_create(data_dir, account, name, scope, customer))
    except refusals.Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.message}", err=True)
        raise typer.Exit(1) from refusal
    if as_json:
        typer.echo(json.dumps({"keyId": created.key.id, "secret": created.secret}))
    else:
        typer.echo(created.secret)


@key.callback()
def _about() -> None:
    """Manages API keys, the logins of programs.

    Example: ./callboard key create edge-1 --account 1 --scope INGEST
    """


async def _create(
    data_dir: Path,
    account_id: int,
    name: str,
    scopes: list[callers.Scope],
    customer_reference: str | None,
) -> api_keys.NewKey:
    async with cli.open_services(data_dir):
        return await api_keys.create_by_command(
            account_id, name, scopes, customer_reference, clock.now()
        )
