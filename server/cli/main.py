"""The commands and their modules."""

from importlib import import_module

import typer

COMMANDS = {
    "demo": "server.cli.demo.command",
    "test": "server.cli.test",
    "up": "server.cli.up",
    "serve": "server.cli.serve",
    "worker": "server.cli.worker",
    "migrate": "server.cli.migrate",
    "account": "server.cli.account",
    "key": "server.cli.key",
    "simulate": "server.cli.simulate",
    "watch": "server.cli.watch",
    "reconcile": "server.cli.reconcile",
    "doctor": "server.cli.doctor",
    "bench": "server.cli.bench",
}


def build(arguments: list[str]) -> typer.Typer:
    """The application. Imports only the module of a named command, so that it starts fast."""
    app = typer.Typer(
        name="callboard",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_about)
    commands = [COMMANDS[arguments[0]]] if arguments and arguments[0] in COMMANDS else []
    for module in commands or COMMANDS.values():
        app.add_typer(import_module(module).commands)
    return app


def _about() -> None:
    """Callboard: live channels, exact summaries and invoices for a voice carrier's customers.

    To try it, run ./callboard demo
    """


def run(arguments: list[str]) -> None:
    build(arguments)(arguments, prog_name="./callboard")
