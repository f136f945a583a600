"""`doctor`: what is configured, reachable and missing, and how to mend it."""

import asyncio
import json
import os
import platform
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from domain import messages
from models import db
from models import server as database_server
from runtime import embedded_processes, mail, services
from runtime.settings import Settings, SettingsError, settings
from server import cli
from server.cli import database_checks, test
from server.cli.finding import Finding, State

commands = typer.Typer()

_OLDEST_POSTGRES, _OLDEST_REDIS = 15, 7
_LEAST_FREE_BYTES = 2 << 30


@commands.command()
def doctor(
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
    as_json: bool = typer.Option(False, "--json", help="Print the findings as JSON."),
) -> None:
    """Says what is configured, what is reachable, what is missing and how to mend it.

    Ends with 1 where something must be mended.

    Example: ./callboard doctor
    """
    findings = [
        *_machine(data_dir),
        *_documents(),
        *_programs(),
        *_messages(),
        *_services(data_dir),
    ]
    if as_json:
        typer.echo(json.dumps([{n: getattr(f, n) for n in Finding.__slots__} for f in findings]))
    else:
        console = Console(highlight=False)
        marks = {"good": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}
        for finding in findings:
            detail = escape(finding.detail)
            console.print(f"{marks[finding.state]} {finding.subject:<14} {detail}", soft_wrap=True)
    raise typer.Exit(1 if any(finding.state == "bad" for finding in findings) else 0)


def _machine(data_dir: Path) -> Iterator[Finding]:
    yield Finding("good", "Python", f"{platform.python_version()} on {platform.machine()}")
    try:
        yield Finding("good", "settings", _configured(settings()))
    except SettingsError as error:
        yield Finding("bad", "settings", str(error))
    existing = next(p for p in (data_dir.resolve(), *data_dir.resolve().parents) if p.exists())
    if not os.access(existing, os.W_OK):
        advice = f"{data_dir} cannot be written; give --data-dir a folder of yours"
        yield Finding("bad", "data folder", advice)
        return
    free = shutil.disk_usage(existing).free
    state: State = "good" if free > _LEAST_FREE_BYTES else "note"
    yield Finding(state, "data folder", f"{data_dir}, {free / 2**30:.1f} GiB free on its disk")


def _configured(found: Settings) -> str:
    """Which settings differ from their defaults; never the value of one that may be secret."""
    names = sorted(f"CALLBOARD_{name.upper()}" for name in found.model_fields_set)
    return f"set: {', '.join(names)}" if names else "none set; all defaults"


def _documents() -> Iterator[Finding]:
    """Of the trusted documents, where any are configured."""
    try:
        found = settings()
    except SettingsError:
        return  # said above
    if found.documents is None and not found.documents_only:
        return
    from server.graphql import trusted

    try:
        documents = trusted.load(found.documents, only=found.documents_only)
    except SettingsError as error:
        yield Finding("bad", "documents", str(error))
        return
    others = "no others are run" if documents.only else "others are run too"
    yield Finding("good", "documents", f"{len(documents)} in {found.documents}; {others}")


def _messages() -> list[Finding]:
    """Whether e-mail and text messages can be sent."""
    try:
        found = settings()
    except SettingsError:
        return []  # said above
    return [asyncio.run(_mail(found)), _sms(found)]


async def _mail(found: Settings) -> Finding:
    if found.smtp_url is None or found.mail_from is None:
        advice = "e-mail waits: set CALLBOARD_SMTP_URL and CALLBOARD_MAIL_FROM (docs/messages.md)"
        return Finding("note", "e-mail", advice)
    server = mail.Server.of(found.smtp_url)
    where = f"{server.host}:{server.port}"
    try:
        await mail.Mailer(server, mail.sender(found.mail_from)).check()
    except messages.NotSentError as error:
        advice = f"{where}: {error}. Is it running, and is CALLBOARD_SMTP_URL right?"
        return Finding("bad", "e-mail", advice)
    return Finding("good", "e-mail", f"{where} takes mail from {found.mail_from}")


def _sms(found: Settings) -> Finding:
    if found.sms_url is None:
        advice = "text messages wait: set CALLBOARD_SMS_URL and _SMS_BODY (docs/messages.md)"
        return Finding("note", "SMS", advice)
    host = urlsplit(found.sms_url).hostname
    return Finding("good", "SMS", f"posted to {host}; whether it sends, a first message shows")


def _programs() -> Iterator[Finding]:
    try:
        postgres = embedded_processes.postgres_folder() / "bin" / "postgres"
        for binary in (postgres, embedded_processes.valkey_binary()):
            said = subprocess.run(
                [str(binary), "--version"], capture_output=True, text=True, check=True
            )
            yield Finding("good", binary.name, said.stdout.strip())
    except (embedded_processes.ServerError, OSError, subprocess.CalledProcessError) as error:
        advice = f"{error}; remove .venv and start ./callboard again, or configure both URLs"
        yield Finding("bad", "embedded", advice)
    yield from map(_tests, test.PARTS)


def _tests(part: test.Part) -> Finding:
    programs, subject = " and ".join(part.programs), f"{part.name} tests"
    if not part.missing:
        return Finding("good", subject, f"{programs} are here")
    advice = f"{' and '.join(part.missing)} not here; only ./callboard test {part.name} needs that"
    return Finding("note", subject, advice)


def _services(data_dir: Path) -> list[Finding]:
    try:
        with services.configured(data_dir) as found:
            return [*asyncio.run(_reached(found)), _web(found)]
    except SettingsError:
        return []  # said above
    except (embedded_processes.ServerError, OSError) as error:
        advice = f"{error}. See {data_dir}/logs, or configure CALLBOARD_DATABASE_URL and _REDIS_URL"
        return [Finding("bad", "embedded", advice)]


async def _reached(found: Settings) -> list[Finding]:
    return [*await _database(found), await _redis(found.redis_url or "")]


async def _database(found: Settings) -> list[Finding]:
    url = found.database_url or ""
    days = found.records_days + found.partitions_ahead_days
    try:
        await db.open_database(url, pool=2)
        try:
            if not await database_server.keeps_sessions():
                return [database_checks.sessions(kept=False)]
            server = await database_server.describe()
            reached = _version(url, server.version, await db.pending_migrations())
            kept = database_checks.sessions(kept=True)
            return [reached, kept, *database_checks.findings(server, days)]
        finally:
            await db.close_database()
    except Exception as error:  # whatever the driver says is the finding
        advice = f"{_shown(url)}: {error}. Is it running, and is CALLBOARD_DATABASE_URL right?"
        return [Finding("bad", "database", advice)]


def _version(url: str, version: str, pending: list[str]) -> Finding:
    if int(version.split(".")[0]) < _OLDEST_POSTGRES:
        advice = f"PostgreSQL {version} at {_shown(url)} is too old; {_OLDEST_POSTGRES} is needed"
        return Finding("bad", "database", advice)
    if pending:
        advice = f"PostgreSQL {version}, {len(pending)} migrations behind: ./callboard migrate"
        return Finding("note", "database", advice)
    return Finding("good", "database", f"PostgreSQL {version} at {_shown(url)}, current schema")


async def _redis(url: str) -> Finding:
    from redis.asyncio import Redis

    client: Redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        about = await client.info()
    except Exception as error:  # whatever the driver says is the finding
        advice = f"{_shown(url)}: {error}. Is it running, and is CALLBOARD_REDIS_URL right?"
        return Finding("bad", "Redis", advice)
    finally:
        await client.aclose()
    version = str(about.get("valkey_version") or about["redis_version"])
    if int(version.split(".")[0]) < _OLDEST_REDIS:
        advice = f"{version} at {_shown(url)} is too old; {_OLDEST_REDIS} is needed"
        return Finding("bad", "Redis", advice)
    if about["maxmemory"] and about["maxmemory_policy"] != "noeviction":
        advice = f"{version} at {_shown(url)} may evict live calls: set maxmemory-policy noeviction"
        return Finding("bad", "Redis", advice)
    return Finding("good", "Redis", f"{version} at {_shown(url)}")


def _web(found: Settings) -> Finding:
    url = found.public_url
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=3) as answer:
            return Finding("good", "web", f"{url} is ready ({answer.status})")
    except urllib.error.HTTPError as error:
        detail = error.read(500).decode(errors="replace")
        return Finding("bad", "web", f"{url} runs but is not ready ({error.code}): {detail}")
    except (urllib.error.URLError, OSError):
        advice = "./callboard up starts it; on another port, say so by CALLBOARD_PUBLIC_URL"
        return Finding("note", "web", f"nothing answers at {url}: {advice}")


def _shown(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:…@{host}").geturl()
