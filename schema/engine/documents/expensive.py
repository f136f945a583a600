"""Marks fields whose statements can take more than about 20 ms of PostgreSQL.

Only a few of them run at once; the others wait for a turn (see `resolvers.capacity`).
"""

from collections.abc import Awaitable, Callable
from typing import Any

from strawberry.extensions import FieldExtension

from schema.engine import base


class Expensive(FieldExtension):
    """`when` decides from the field's source and arguments whether the work is expensive."""

    def __init__(self, when: Callable[..., bool] | None = None) -> None:
        self._when = when

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: base.Info, **kwargs: Any
    ) -> Any:
        caller = info.context.caller
        if caller is None or (self._when is not None and not self._when(source, **kwargs)):
            return await next_(source, info, **kwargs)
        async with info.context.services.capacity.turn(caller):
            return await next_(source, info, **kwargs)
