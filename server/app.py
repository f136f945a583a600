"""The web process: GraphQL, ingest, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from domain import callers, sessions
from ingest import pipeline
from live import bucket, bus, line, throttle
from resolvers import captions, desk, feeds, refused
from runtime import clock, services
from runtime.settings import Settings
from schema import base
from server import health, ingest_routes, pages, uses, watch
from server.graphql import operations, shared, sse, trusted
from server.graphql.view import View

ANSWER_WITHIN = 30.0  # seconds a statement may take: nobody waits for an answer much longer


def create_app(settings: Settings) -> Starlette:
    """The application over the database and Redis that the settings name.

    Raises `SettingsError` where the manifest of trusted documents cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        assert settings.database_url is not None
        assert settings.redis_url is not None
        async with (
            services.open_services(
                settings.database_url,
                settings.redis_url,
                pool=settings.database_pool,
                answer_within=ANSWER_WITHIN,
            ) as opened,
            line.opened(opened.redis) as reading,
        ):
            heard = bus.Bus(opened.redis)
            await heard.start()
            watched = watch.Watch(clock.now, settings.sockets_per_key)
            watched.start()
            noted, idle = refused.Noted(), timedelta(days=settings.session_idle_days)
            used = uses.Uses(clock.now, watched.holders, idle, noted)
            used.start()
            followed = feeds.Feeds(reading, heard)
            taking = pipeline.Pipeline(opened.redis, settings.records_days)
            context = contexts(opened.redis, heard, followed, settings, taking, noted)
            runner = operations.Runner(shared.Hub(context), context, known_documents)
            app.state.services = opened
            app.state.settings = settings
            app.state.watch = watched
            app.state.runner = runner
            app.state.streams = sse.Streams(runner, watched)
            app.state.ingest = taking
            try:
                yield
            finally:
                await taking.close()
                await used.close()
                await watched.close()
                await heard.close()

    known_documents = trusted.load(
        settings.documents, only=settings.documents_only, own=pages.DOCUMENTS
    )
    graphql = View(clock.now)
    return Starlette(
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *ingest_routes.routes,
            *pages.routes,
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
        ],
        lifespan=lifespan,
    )


def contexts(
    redis: Redis,
    heard: bus.Bus,
    followed: feeds.Feeds,
    settings: Settings,
    taking: pipeline.Pipeline | None = None,
    noted: refused.Noted | None = None,
) -> shared.Context:
    """What makes an operation's context of its caller, of where it is resumed, of its language."""
    held = bucket.Bucket(redis, settings.cost_capacity, settings.cost_per_second)
    lengths = sessions.Lengths(
        timedelta(days=settings.session_idle_days),
        timedelta(days=settings.session_days),
        timedelta(days=settings.staff_session_days),
    )
    signing_in = desk.Desk(
        settings.secret_key or "", throttle.Throttle(redis), lengths, noted or refused.Noted()
    )
    captioned = captions.Captions()

    def context(
        caller: callers.Caller | None, resume_after: int | None, language: str
    ) -> base.Context:
        return base.Context(
            caller=caller,
            clock=clock.now,
            redis=redis,
            bus=heard,
            feeds=followed,
            secret_key=settings.secret_key or "",
            sip_realm=settings.realm,
            language=language,
            resume_after=resume_after,
            development=settings.development,
            bucket=held,
            desk=signing_in,
            intake=taking,
            captions=captioned,
        )

    return context
