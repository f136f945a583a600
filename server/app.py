"""The web process: GraphQL, ingest, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from ingest import pipeline
from live import bus
from resolvers import feeds
from runtime import clock, services
from runtime.settings import Settings
from server import health, ingest_routes
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
            heard = bus.Bus(opened.redis)
            await heard.start()
            app.state.services = opened
            app.state.bus = heard
            app.state.feeds = feeds.Feeds(opened.redis, heard)
            app.state.ingest = pipeline.Pipeline(opened.redis, settings.records_days)
            try:
                yield
            finally:
                await heard.close()

    graphql = View(clock.now)
    return Starlette(
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *ingest_routes.routes,
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
        ],
        lifespan=lifespan,
    )
