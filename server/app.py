"""The web process: GraphQL, ingest, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from runtime import clock, services
from runtime.settings import Settings
from server import health
from server.graphql.view import View


def create_app(settings: Settings) -> Starlette:
    """The application over the database and Redis that the settings name."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        assert settings.database_url is not None
        assert settings.redis_url is not None
        async with services.open_services(
            settings.database_url, settings.redis_url, pool=settings.database_pool
        ) as opened:
            app.state.services = opened
            app.state.bus = None
            yield

    graphql = View(clock.now)
    return Starlette(
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
        ],
        lifespan=lifespan,
    )
