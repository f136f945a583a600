"""`doctor`: checks settings, programs and services, and shows how to fix each problem."""

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

from domain.messaging import messages
from models import database_server, db, schema_version
from models.identity import logins
from runtime import embedded_processes, mail, services
from runtime.settings import Settings, SettingsError, settings
from server import cli
from server.cli import database_checks, test
from server.cli.finding import Finding, State

commands = typer.Typer()

_MIN_POSTGRES, _MIN_REDIS = 15, 7
_MIN_FREE_BYTES = 2 << 30


@commands.command()
def doctor(
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
    as_json: bool = typer.Option(False, "--json", help="Print the findings as JSON."),
) -> None:
    """Checks settings, programs and services, and shows how to fix each problem.

    Exits with 1 if there is an error to fix.

    Example: ./callboard doctor
    """
    findings = [
        *_check_machine(data_dir),
        *_check_documents(),
        *_check_embedded(),
        *_check_messages(),
        *_check_services(data_dir),
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


def _check_machine(data_dir: Path) -> Iterator[Finding]:
    yield Finding("good", "Python", f"{platform.python_version()} on {platform.machine()}")
    try:
        yield Finding("good", "settings", _describe_settings(settings()))
    except SettingsError as error:
        yield Finding("bad", "settings", str(error))
    existing = next(p for p in (data_dir.resolve(), *data_dir.resolve().parents) if p.exists())
    if not os.access(existing, os.W_OK):
        advice = f"{data_dir} is not writable. Select a writable folder with --data-dir"
        yield Finding("bad", "data folder", advice)
        return
    free = shutil.disk_usage(existing).free
    state: State = "good" if free > _MIN_FREE_BYTES else "note"
    yield Finding(state, "data folder", f"{data_dir}, {free / 2**30:.1f} GiB free on its disk")


def _describe_settings(config: Settings) -> str:
    """The names of the settings that are set, without values, which may be secret."""
    names = sorted(f"CALLBOARD_{name.upper()}" for name in config.model_fields_set)
    return f"set: {', '.join(names)}" if names else "none is set; all have their defaults"


def _check_documents() -> Iterator[Finding]:
    """Checks the trusted documents if any are configured."""
    try:
        config = settings()
    except SettingsError:
        return  # said above
    if config.documents is None and not config.documents_only:
        return
    from server.graphql import trusted

    try:
        documents = trusted.load(config.documents, only=config.documents_only)
    except SettingsError as error:
        yield Finding("bad", "documents", str(error))
        return
    others = "other documents are refused" if documents.only else "other documents run too"
    yield Finding("good", "documents", f"{len(documents)} in {config.documents}; {others}")


def _check_messages() -> list[Finding]:
    """Checks whether e-mail and text messages can be sent."""
    try:
        config = settings()
    except SettingsError:
        return []  # said above
    return [asyncio.run(_check_mail(config)), _check_sms(config)]


async def _check_mail(config: Settings) -> Finding:
    if config.smtp_url is None or config.mail_from is None:
        advice = (
            "not configured, so messages wait. Set CALLBOARD_SMTP_URL and CALLBOARD_MAIL_FROM"
            " (docs/messages.md)"
        )
        return Finding("note", "e-mail", advice)
    server = mail.Server.of(config.smtp_url)
    address = f"{server.host}:{server.port}"
    try:
        await mail.Mailer(server, mail.parse_sender(config.mail_from)).check()
    except messages.NotSentError as error:
        advice = f"{address}: {error}. Check the mail server and CALLBOARD_SMTP_URL"
        return Finding("bad", "e-mail", advice)
    return Finding("good", "e-mail", f"{address} accepts mail from {config.mail_from}")


def _check_sms(config: Settings) -> Finding:
    if config.sms_url is None:
        advice = (
            "not configured, so messages wait. Set CALLBOARD_SMS_URL and CALLBOARD_SMS_BODY"
            " (docs/messages.md)"
        )
        return Finding("note", "SMS", advice)
    host = urlsplit(config.sms_url).hostname
    return Finding("good", "SMS", f"posted to {host}; not tested until the first message")


def _check_embedded() -> Iterator[Finding]:
    try:
        postgres = embedded_processes.postgres_folder() / "bin" / "postgres"
        for binary in (postgres, embedded_processes.valkey_binary()):
            result = subprocess.run(
                [str(binary), "--version"], capture_output=True, text=True, check=True
            )
            yield Finding("good", binary.name, result.stdout.strip())
    except (embedded_processes.ServerError, OSError, subprocess.CalledProcessError) as error:
        advice = (
            f"{error}. Remove .venv and run ./callboard again, or set CALLBOARD_DATABASE_URL and"
            " CALLBOARD_REDIS_URL"
        )
        yield Finding("bad", "embedded", advice)
    yield from map(_check_programs, test.PARTS)


def _check_programs(part: test.Part) -> Finding:
    programs, subject = " and ".join(part.programs), f"{part.name} tests"
    if not part.missing:
        return Finding("good", subject, f"{programs} are installed")
    missing = " and ".join(part.missing)
    advice = f"{missing} not installed; only ./callboard test {part.name} needs this"
    return Finding("note", subject, advice)


def _check_services(data_dir: Path) -> list[Finding]:
    try:
        with services.complete_settings(data_dir) as config:
            return [*asyncio.run(_check_servers(config)), _check_web(config)]
    except SettingsError:
        return []  # said above
    except (embedded_processes.ServerError, OSError) as error:
        advice = (
            f"{error}. See {data_dir}/logs, or set CALLBOARD_DATABASE_URL and CALLBOARD_REDIS_URL"
        )
        return [Finding("bad", "embedded", advice)]


async def _check_servers(config: Settings) -> list[Finding]:
    return [*await _check_database(config), await _check_redis(config.redis_url or "")]


async def _check_database(config: Settings) -> list[Finding]:
    url = config.database_url or ""
    days = config.records_days + config.partitions_ahead_days
    try:
        await db.open_database(url, pool=2)
        try:
            if not await database_server.keeps_sessions():
                return [database_checks.sessions(keeps_session=False)]
            server = await database_server.read_settings()
            reached = _version(url, server.version, await schema_version.read())
            finding = database_checks.sessions(keeps_session=True)
            checked = [reached, finding, *database_checks.findings(server, days)]
            if reached.state == "good":
                checked += database_checks.logins(await logins.in_two_forms())
            return checked
        finally:
            await db.close_database()
    except Exception as error:  # every error of the driver is a finding
        advice = f"{_redact(url)}: {error}. Check PostgreSQL and CALLBOARD_DATABASE_URL"
        return [Finding("bad", "database", advice)]


def _version(url: str, version: str, schema: schema_version.Schema) -> Finding:
    if int(version.split(".")[0]) < _MIN_POSTGRES:
        advice = (
            f"PostgreSQL {version} at {_redact(url)} is too old."
            f" Upgrade to {_MIN_POSTGRES} or newer"
        )
        return Finding("bad", "database", advice)
    if schema.problem is not None:
        return Finding(
            "bad", "database", f"PostgreSQL {version} at {_redact(url)}. {schema.problem}"
        )
    detail = f"PostgreSQL {version} at {_redact(url)}, schema {schema.newest} (current)"
    return Finding("good", "database", detail)


async def _check_redis(url: str) -> Finding:
    from redis.asyncio import Redis

    client: Redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        about = await client.info()
    except Exception as error:  # every error of the driver is a finding
        advice = f"{_redact(url)}: {error}. Check Redis and CALLBOARD_REDIS_URL"
        return Finding("bad", "Redis", advice)
    finally:
        await client.aclose()
    version = str(about.get("valkey_version") or about["redis_version"])
    if int(version.split(".")[0]) < _MIN_REDIS:
        advice = f"{version} at {_redact(url)} is too old. Upgrade to {_MIN_REDIS} or newer"
        return Finding("bad", "Redis", advice)
    if about["maxmemory"] and about["maxmemory_policy"] != "noeviction":
        advice = (
            f"{version} at {_redact(url)} may evict live calls. Set maxmemory-policy to noeviction"
        )
        return Finding("bad", "Redis", advice)
    return Finding("good", "Redis", f"{version} at {_redact(url)}")


def _check_web(config: Settings) -> Finding:
    url = config.public_url
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=3) as response:
            return Finding("good", "web", f"{url} is ready ({response.status})")
    except urllib.error.HTTPError as error:
        detail = error.read(500).decode(errors="replace")
        return Finding("bad", "web", f"{url} runs but is not ready ({error.code}): {detail}")
    except (urllib.error.URLError, OSError):
        advice = "Start it with ./callboard up, or set CALLBOARD_PUBLIC_URL to its address"
        return Finding("note", "web", f"no response at {url}. {advice}")


def _redact(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:…@{host}").geturl()
