"""What the demo tells whoever started it."""

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
        f"  {who:<8} {credentials[who]['email']}  {credentials[who]['password']}"
        for who in ("contact", "staff")
    )
    listed = "\n".join(f"  {name:<10} {secret}" for name, secret in keys.items())
    return f"""
Callboard is ready after {seconds:.0f} s; a simulated switch is making calls.

GraphQL      {url}/graphql   (WebSocket, graphql-transport-ws: the same)
Logins
{logins}
Keys
{listed}
All of it is in {data_dir / "credentials.json"}.

A query to paste:
  curl -s {url}/graphql -H 'Content-Type: application/json' \\
    -H 'Authorization: Bearer {keys["billing"]}' \\
    -d '{{"query":"{QUERY}"}}'

Channels as they change, over a WebSocket:
  ./callboard watch --url {url} --key {keys["wallboard"]}

Mails and text messages are not sent; their texts are in {data_dir / "logs" / "worker.log"}.

Ctrl-C stops everything; what was made stays.
"""
