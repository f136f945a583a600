"""`test`: the test suite, and its part on a real switch."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import typer

from runtime import child
from runtime.settings import ROOT

commands = typer.Typer()

_PROGRAMS = ("kamailio", "sipp")
_HOW = (
    "On Debian or Ubuntu: apt-get install kamailio kamailio-extra-modules"
    " kamailio-redis-modules kamailio-utils-modules sip-tester; then ./callboard test switch"
)
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Runs the tests; further arguments go to pytest. `test switch` runs those on a real switch.

    Example: ./callboard test tests/domain -q
    """
    if not (ROOT / "tests").exists() or find_spec("pytest") is None:
        typer.secho("The tests are not part of this installation; clone it.", err=True, fg="red")
        raise typer.Exit(1)
    arguments = context.args
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if arguments[:1] == ["switch"]:
        if missing:
            typer.secho(f"These are missing: {' and '.join(missing)}.", err=True, fg="red")
            typer.echo(_HOW, err=True)
            raise typer.Exit(1)
        raise typer.Exit(_pytest(*_marked("switch", arguments[1:])))
    code = _pytest(*_marked("not switch", arguments))
    typer.echo("The part on a real switch (Kamailio and SIPp) was not run.")
    if missing:
        typer.echo(f"Missing here: {' and '.join(missing)}. {_HOW}")
    else:
        typer.echo("Both are here; run it by ./callboard test switch")
    raise typer.Exit(code)


def _marked(ours: str, arguments: list[str]) -> list[str]:
    """The arguments for pytest, which heeds only the last -m: ours and theirs joined in one."""
    parser = argparse.ArgumentParser(prog="./callboard test", add_help=False, allow_abbrev=False)
    parser.add_argument("-m")
    known, others = parser.parse_known_args(arguments)
    return ["-m", f"({ours}) and ({known.m})" if known.m else ours, *others]


def _pytest(*arguments: str) -> int:
    """In a process of its own: it wants to be the first to import what it rewrites."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches pytest too, which sums up
    command = child.command(sys.executable, "-P", "-m", "pytest", *arguments)
    return subprocess.run(command, cwd=ROOT, check=False).returncode
