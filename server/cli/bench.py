"""`bench`: runs the measurements of bench/, each with its baseline in the same run."""

import os
import runpy
import sys

import typer

from runtime.settings import ROOT

commands = typer.Typer()


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    name: str = typer.Argument("", help="Name of the measurement. Without a name, lists them."),
) -> None:
    """Runs a measurement of bench/ and passes further arguments to it.

    Example: ./callboard bench ingest
    """
    names = sorted(path.stem for path in (ROOT / "bench").glob("[a-z]*.py"))
    if name not in names:
        typer.echo(
            f"Measurements: {', '.join(names) or 'none in this installation'}", err=bool(name)
        )
        raise typer.Exit(2 if name else 0)
    os.chdir(ROOT)
    sys.argv = [f"bench/{name}.py", *context.args]
    runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
