"""The text that `up` prints when it is ready: addresses and the next steps."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from runtime.settings import Settings

_NEXT_WITHOUT_ACCOUNT = """Next:
  1. Create your account and its owner:
     ./callboard account create "Example Voice" --email ops@voice.example --password …{folder}
  2. Create a key for your switch (1 is the account's id):
     ./callboard key create edge-1 --account 1 --scope INGEST{folder}
  3. Configure the switch to post calls to {url}/ingest/calls (docs/ingest.md), or simulate calls:
     ./callboard simulate --url {url} --key …
"""
_NEXT_WITH_ACCOUNT = """Next:
  Sign in at {url}/graphql (docs/sign-in.md). Switches post calls to {url}/ingest/calls.
  To check the settings, including e-mail and text messages: ./callboard doctor{folder}
"""


def ready(
    settings: Settings, url: str, data_dir: Path, seconds: float, *, has_account: bool, option: str
) -> str:
    """`url` is that of the web process, `option` is ` --data-dir …` if other commands need it."""
    text = _NEXT_WITH_ACCOUNT if has_account else _NEXT_WITHOUT_ACCOUNT
    links = "" if settings.public_url == url else f"\nLinks     lead to {settings.public_url}"
    return f"""
Callboard is ready after {seconds:.1f} s.

Web       {url}: GraphQL at /graphql, calls at /ingest/calls, health at /readyz
Worker    rebuilds hours, sends messages and evaluates alert rules{links}
Database  {_place(settings.database_url, "PostgreSQL", data_dir)}
Redis     {_place(settings.redis_url, "Valkey", data_dir)}

{text.format(url=url, folder=option)}
Ctrl-C stops everything; the data stays."""


def _place(url: str | None, embedded: str, data_dir: Path) -> str:
    """The address without its password. Embedded servers have a socket folder instead of a host."""
    parts = urlsplit(url or "")
    if parts.hostname is None:
        folder = dict(parse_qsl(parts.query)).get("host") or parts.path
        return f"embedded {embedded} of {data_dir} (socket {folder})"
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.hostname}{port}{parts.path}"
