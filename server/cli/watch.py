"""`watch`: prints the messages of a subscription, one per line."""

import asyncio
import json
from typing import Any

import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

commands = typer.Typer()

CHANNELS = (
    "subscription { liveChannels"
    " { sequence asOf inUse limit byCarrier { carrier { name } inUse } } }"
)


class WatchError(Exception):
    """The subscription was refused or has ended."""


@commands.command()
def watch(
    url: str = typer.Option("http://127.0.0.1:8000", help="URL of Callboard."),
    key: str = typer.Option(..., envvar="CALLBOARD_KEY", help="API key or session token."),
    query: str = typer.Option(CHANNELS, help="The subscription."),
    count: int = typer.Option(0, min=0, help="Number of messages; 0: until Ctrl-C."),
) -> None:
    """Subscribes over a WebSocket (graphql-transport-ws) and prints each message as JSON.

    Example: ./callboard watch --key cb_1_k2_…
    """
    try:
        asyncio.run(_watch(url.rstrip("/"), key, query, count))
    except KeyboardInterrupt:
        pass
    except (OSError, InvalidHandshake, ConnectionClosed, WatchError) as error:
        typer.secho(f"callboard: {error}", err=True, fg="red")
        raise typer.Exit(1) from error


async def _watch(url: str, key: str, query: str, count: int) -> None:
    address = "ws" + url.removeprefix("http") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await _send(socket, "connection_init", payload={"authorization": f"Bearer {key}"})
        await _send(socket, "subscribe", id="1", payload={"query": query})
        left = count or None
        async for raw in socket:
            message: dict[str, Any] = json.loads(raw)
            if message["type"] == "ping":
                await _send(socket, "pong")
            elif message["type"] == "next":
                typer.echo(_line(message["payload"]))
                left = None if left is None else left - 1
                if left == 0:
                    return
            elif message["type"] in ("error", "complete"):
                raise WatchError(json.dumps(message.get("payload", "the subscription has ended")))


async def _send(socket: ClientConnection, kind: str, **more: object) -> None:
    await socket.send(json.dumps({"type": kind, **more}))


def _line(payload: dict[str, Any]) -> str:
    if payload.get("errors"):
        raise WatchError(payload["errors"][0]["message"])
    return json.dumps(payload["data"])
