"""Queries the schema as a caller, at a fixed time."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Any, cast

from redis.asyncio import Redis

from domain.identity import callers
from live import bus
from models.identity import contacts, logins
from resolvers.live import feeds
from schema import root
from schema.engine import base, encoding, services
from schema.engine.fragments import cache


class Asker:
    def __init__(
        self,
        caller: callers.Caller,
        now: datetime,
        redis: Redis,
        fragments: cache.Cache | None = None,
    ) -> None:
        self.caller, self.now, self.redis, self.fragments = caller, now, redis, fragments
        self.bus = bus.Bus(redis)

    def context(self) -> base.Context:
        return base.Context(
            self.caller,
            lambda: self.now,
            services.Services(
                self.redis,
                self.bus,
                feeds.Feeds(self.redis, self.bus),
                fragments=self.fragments,
            ),
        )

    async def ask(self, query: str, **values: Any) -> Any:
        """The data; fails on any error."""
        answer = await self._answer(query, values)
        assert answer.errors is None, answer.errors
        return answer.data

    async def read(self, query: str, **values: Any) -> Any:
        """As `ask`, but the data as a client reads it: cached parts are JSON."""
        return json.loads(await encoding.encode(await self.ask(query, **values)))

    async def subscribe(self, query: str, **values: Any) -> AsyncGenerator[Any, None]:
        """The pushed data; the bus must have been started."""
        pushes = await root.api.subscribe(
            query, variable_values=values, context_value=self.context()
        )
        async for push in cast("AsyncIterator[Any]", pushes):
            assert push.errors is None, push.errors
            yield push.data

    async def refused(self, query: str, **values: Any) -> str:
        """The code of the one refusal."""
        answer = await self._answer(query, values)
        (error,) = answer.errors
        assert error.extensions is not None
        return str(error.extensions["code"])

    async def _answer(self, query: str, values: Mapping[str, Any]) -> Any:
        return await root.api.execute(
            query, variable_values=dict(values), context_value=self.context()
        )


def staff(account_id: int) -> callers.Caller:
    return callers.Caller(account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


async def contact(account_id: int, customer_id: int, zone: str, now: datetime) -> callers.Caller:
    login = await logins.insert(account_id, f"{zone}@customer.example".lower(), "-", now)
    row = await contacts.insert(
        account_id,
        contacts.NewContact(
            customer_id=customer_id,
            login_id=login,
            name="A contact",
            email="contact@customer.example",
            mobile=None,
            language="en",
            time_zone=zone,
        ),
        now,
    )
    return callers.Caller(
        account_id, callers.Kind.CONTACT, row.id, customer_id=customer_id, zone=row.time_zone
    )
