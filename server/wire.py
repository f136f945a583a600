"""What both protocols share: their name in a scope, and a gradual shutdown."""

from uvicorn.server import ServerState

EXTENSION = "callboard.wire"  # in a scope: its `HttpProtocol` or `WebSocketProtocol`

CLOSE_TIMEOUT_SECONDS = 2.0  # for the peer's close frame
SHUTDOWN_TIMEOUT_SECONDS = 9.0  # from SIGTERM until the process is killed
GRACE_SECONDS = SHUTDOWN_TIMEOUT_SECONDS - 2  # for connections; then the services are closed
DRAIN_SECONDS = GRACE_SECONDS - CLOSE_TIMEOUT_SECONDS - 1  # over which connections are closed


class ShutdownState(ServerState):
    """uvicorn's state with a flag for the shutdown, so that new connections are closed too."""

    is_shutting_down = False


def is_shutting_down(state: ServerState) -> bool:
    return isinstance(state, ShutdownState) and state.is_shutting_down
