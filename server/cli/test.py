"""`test`: runs the test suite, and its parts that need more than Python."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import typer

from runtime import child
from runtime.settings import ROOT

commands = typer.Typer()

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@dataclass(frozen=True, slots=True)
class Part:
    """Tests with a marker of this name, run only on request; `install` is a shell command."""

    name: str
    what: str
    programs: tuple[str, ...]
    install: str
    systems: str = "Debian or Ubuntu"

    @property
    def missing(self) -> list[str]:
        return [name for name in self.programs if shutil.which(name, path=_PATH) is None]

    @property
    def how(self) -> str:
        return f"On {self.systems}: {self.install}; then ./callboard test {self.name}"


PARTS = (
    Part(
        "switch",
        "on a real switch (Kamailio and SIPp)",
        ("kamailio", "sipp"),
        "apt-get install kamailio kamailio-extra-modules kamailio-redis-modules"
        " kamailio-utils-modules sip-tester",
    ),
    Part(
        "clients",
        "with the client packages of npm (Node 18 or newer)",
        ("node", "npm"),
        "apt-get install nodejs npm",
    ),
    Part(
        "browser",
        "in a real browser (Chromium)",
        ("chromium", "chromedriver"),
        "apt-get install chromium chromium-driver",
        "Debian",
    ),
)


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Runs the tests, and passes further arguments to pytest.

    `test switch` runs the tests on a real switch, `test clients` those with the client packages
    of npm, and `test browser` those in Chromium.

    `--changed` runs the tests that the changes since `main` can affect.

    Example: ./callboard test tests/billing -q

    Example: ./callboard test --changed
    """
    if not (ROOT / "tests").exists() or find_spec("pytest") is None:
        typer.secho("This installation has no tests. Clone the repository.", err=True, fg="red")
        raise typer.Exit(1)
    arguments = context.args
    for part in PARTS:
        if arguments[:1] == [part.name]:
            raise typer.Exit(_run(part, arguments[1:]))
    code = _pytest(*_with_marker(" and ".join(f"not {part.name}" for part in PARTS), arguments))
    for part in PARTS:
        typer.echo(f"The part {part.what} was not run.")
        typer.echo(_describe_part(part))
    raise typer.Exit(code)


def _run(part: Part, arguments: list[str]) -> int:
    if part.missing:
        missing = " and ".join(part.missing)
        typer.secho(f"{missing} not installed.", err=True, fg="red")
        typer.echo(part.how, err=True)
        return 1
    return _pytest("--numprocesses=0", *_with_marker(part.name, arguments))


def _describe_part(part: Part) -> str:
    if part.missing:
        return f"{' and '.join(part.missing)} not installed. {part.how}"
    return f"To run it: ./callboard test {part.name}"


def _with_marker(marker: str, arguments: list[str]) -> list[str]:
    """The arguments for pytest, with `marker` and the user's -m in one, as only the last counts."""
    parser = argparse.ArgumentParser(prog="./callboard test", add_help=False, allow_abbrev=False)
    parser.add_argument("-m")
    options, others = parser.parse_known_args(arguments)
    return ["-m", f"({marker}) and ({options.m})" if options.m else marker, *others]


def _pytest(*arguments: str) -> int:
    """Runs pytest in a process of its own: it has to import first the modules that it rewrites."""
    signal.signal(
        signal.SIGINT, lambda *_: None
    )  # Ctrl-C reaches pytest too, which then prints its summary
    command = child.command(sys.executable, "-P", "-m", "pytest", *arguments)
    return subprocess.run(command, cwd=ROOT, check=False).returncode
