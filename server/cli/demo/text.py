"""The text that `demo` prints when it is ready."""

from pathlib import Path
from typing import Any

QUERY = (
    "{ customers { edges { node { reference balance { amount currency }"
    " summary(granularity: LIVE, first: 3) { edges { node"
    " { periodStart attempts answered asr acdSeconds charge { amount } } } } } } } }"
)


def welcome(credentials: dict[str, Any], data_dir: Path, seconds: float) -> str:
    url, keys = credentials["url"], credentials["keys"]
    logins = "\n".join(
        f"  {kind:<8} {credentials[kind]['email']}  {credentials[kind]['password']}"
        for kind in ("contact", "staff")
    )
    lines = "\n".join(f"  {name:<10} {secret}" for name, secret in keys.items())
    return f"""
Callboard is ready after {seconds:.0f} s. A simulated switch makes calls.

GraphQL      {url}/graphql   (also WebSocket: graphql-transport-ws)
Logins
{logins}
Keys
{lines}
These are also in {data_dir / "credentials.json"}.

A query to paste:
  curl -s {url}/graphql -H 'Content-Type: application/json' \\
    -H 'Authorization: Bearer {keys["billing"]}' \\
    -d '{{"query":"{QUERY}"}}'

Active channels, pushed over a WebSocket at every change:
  ./callboard watch --url {url} --key {keys["wallboard"]}

E-mail and text messages are not sent. Their texts are in {data_dir / "logs" / "worker.log"}.

Ctrl-C stops everything; the data stays.
"""
