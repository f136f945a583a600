"""The web process: GraphQL, ingest, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from domain.identity.callers import Caller
from domain.identity.session_lifetimes import Lifetimes
from ingest.pipeline import Pipeline
from live import shared_connection
from live.bucket import Buckets
from live.bus import Bus
from live.throttle import Throttle
from resolvers import loop_share
from resolvers.capacity import Capacity
from resolvers.identity.refused_sign_ins import RefusedSignIns
from resolvers.identity.sign_in_services import SignInServices
from resolvers.live.feeds import Feeds
from runtime import clock, services
from runtime.settings import Settings
from schema.engine.base import Context, Progress
from schema.engine.fragments.cache import Cache
from schema.engine.services import Services
from schema.engine.spending import Spending
from server import answers, health, home, ingest_routes, pages
from server.connection_monitor import ConnectionMonitor
from server.graphql import shared, trusted
from server.graphql.graphiql import page
from server.graphql.operations import Runner
from server.graphql.sse import Streams
from server.graphql.view import View
from server.schema_gate import Gated, SchemaGate
from server.token_usage import TokenUsage

STATEMENT_TIMEOUT_SECONDS = 30.0  # clients do not wait much longer for a response


def create_app(settings: Settings) -> Starlette:
    """The application on the database and Redis of the settings.

    Raises `SettingsError` if the manifest of trusted documents cannot be used.
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
                statement_timeout=STATEMENT_TIMEOUT_SECONDS,
            ) as opened_services,
            shared_connection.open_connection(opened_services.redis) as live_reader,
        ):
            gate = SchemaGate()
            await gate.start()
            bus = Bus(opened_services.redis)
            await bus.start()
            connections = ConnectionMonitor(clock.now, settings.sockets_per_key)
            connections.start()
            refused_sign_ins = RefusedSignIns()
            idle = timedelta(days=settings.session_idle_days)
            token_usage = TokenUsage(clock.now, connections.held_tokens, idle, refused_sign_ins)
            token_usage.start()
            live_feeds = Feeds(live_reader, bus)
            ingest_pipeline = Pipeline(opened_services.redis, settings.records_days)
            context = contexts(
                opened_services.redis, bus, live_feeds, settings, ingest_pipeline, refused_sign_ins
            )
            hub, share = shared.Hub(context), loop_share.of_running_loop()
            runner = Runner(hub, context, known_documents, share)
            app.state.schema = gate
            app.state.services = opened_services
            app.state.settings = settings
            app.state.connections = connections
            app.state.runner = runner
            app.state.streams = Streams(runner, connections)
            app.state.ingest_pipeline = ingest_pipeline
            try:
                yield
            finally:
                await gate.close()
                await ingest_pipeline.close()
                await token_usage.close()
                await connections.close()
                await bus.close()

    known_documents = trusted.load(
        settings.documents, only=settings.documents_only, own=pages.DOCUMENTS
    )
    graphql = View(clock.now)
    application = answers.Application(
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *ingest_routes.routes,
            *pages.routes,
            *page.routes,
            *home.routes,
            Route("/healthz", health.live),
            Route("/readyz", health.ready),
        ],
        middleware=[Middleware(Gated)],
        lifespan=lifespan,
    )
    application.allowed_origins = settings.origins
    return application


def _fragments(settings: Settings) -> Cache | None:
    megabytes = settings.answer_cache_megabytes
    return Cache(megabytes * 1_000_000) if megabytes else None


def contexts(
    redis: Redis,
    bus: Bus,
    live_feeds: Feeds,
    settings: Settings,
    ingest_pipeline: Pipeline | None = None,
    refused_sign_ins: RefusedSignIns | None = None,
) -> shared.Context:
    """The function that creates an operation's context from its caller, the mark after which it
    resumes, and its language."""
    lifetimes = Lifetimes(
        timedelta(days=settings.session_idle_days),
        timedelta(days=settings.session_days),
        timedelta(days=settings.staff_session_days),
    )
    shared_services = Services(
        redis=redis,
        bus=bus,
        live_feeds=live_feeds,
        sign_in=SignInServices(
            settings.secret_key or "",
            Throttle(redis),
            lifetimes,
            refused_sign_ins or RefusedSignIns(),
        ),
        sip_realm=settings.realm,
        development=settings.development,
        intake=ingest_pipeline,
        spending=Spending(Buckets(redis), settings.allowances),
        capacity=Capacity(settings.expensive_at_once),
        fragments=_fragments(settings),
    )

    def context(caller: Caller | None, resume_after: int | None, language: str) -> Context:
        return Context(caller, clock.now, shared_services, language, Progress(resume_after))

    return context
