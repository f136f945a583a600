"""A person's sessions."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from models import sessions as stored
from resolvers import sessions as resolve
from schema import base

_KIND = "OpenSession"


@strawberry.type(description="A sign-in of the viewer that is in force.")
class OpenSession:
    id: strawberry.ID = strawberry.field(description="Opaque; give it to `endSession`.")
    created_at: datetime = strawberry.field(description="When it was begun.")
    last_used_at: datetime = strawberry.field(
        description="When it was last used, to five minutes; an open socket is use."
    )
    expires_at: datetime = strawberry.field(
        description="When it ends unless it is used before; use moves this on, up to `endsAt`."
    )
    ends_at: datetime = strawberry.field(description="When it ends, however often it is used.")
    address: str | None = strawberry.field(
        description="The IP address it was begun from; null if unknown."
    )
    user_agent: str | None = strawberry.field(
        description="The User-Agent it was begun by; null if none was sent."
    )
    current: bool = strawberry.field(description="Whether it is the one that asks.")
    started_by: str | None = strawberry.field(
        description="The name of the staff who signed in as the viewer; null: the viewer itself."
    )

    @classmethod
    def of(cls, row: stored.Row, account_id: int, current: int | None) -> "OpenSession":
        return cls(
            id=base.encode_id(_KIND, account_id, row.id),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            ends_at=row.ends_at,
            address=row.address,
            user_agent=row.user_agent,
            current=row.id == current,
            started_by=row.started_by,
        )


@strawberry.type(description="The session has ended.")
class LoggedOut:
    at: datetime = strawberry.field(description="When it ended.")


@strawberry.input(description="A session to end.")
class EndSessionInput:
    id: strawberry.ID = strawberry.field(description="The session's id.")


EndSessionResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("EndSessionResult", description="When it ended, or why it has not."),
]
LogoutResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("LogoutResult", description="Whether the session has ended."),
]
LogoutEverywhereResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("LogoutEverywhereResult", description="Whether the sessions have ended."),
]


@strawberry.type
class SessionQuery:
    @strawberry.field(
        description="The viewer's sessions in force, the latest first. Refused to API keys, and to"
        " staff signed in as a contact."
    )
    async def sessions(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[OpenSession]:
        caller, size = info.context.signed_in(), base.page_size(first)
        before = base.decode_number_cursor(after)
        rows = await resolve.page(caller, info.context.now, before=before, limit=size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_cursor(row.id),
            lambda row: OpenSession.of(row, caller.account_id, caller.session_id),
        )


@strawberry.type
class SessionMutation:
    @strawberry.mutation(description="Ends the session that asks; within a second everywhere.")
    async def logout(self, info: base.Info) -> LogoutResult:
        await resolve.logout(info.context.signed_in(), info.context.now)
        info.context.exchange.forget()
        return LoggedOut(at=info.context.now)

    @strawberry.mutation(
        description="Ends all sessions of the viewer, the asking one too, within a second."
    )
    async def logout_everywhere(self, info: base.Info) -> LogoutEverywhereResult:
        await resolve.end_everywhere(info.context.signed_in(), info.context.now)
        info.context.exchange.forget()
        return LoggedOut(at=info.context.now)

    @strawberry.mutation(
        description="Ends a session of the viewer within a second; one that has ended stays so."
    )
    async def end_session(
        self,
        info: base.Info,
        input: Annotated[EndSessionInput, strawberry.argument(description="Which session.")],
    ) -> EndSessionResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, _KIND, caller.account_id)
        at = await resolve.end(caller, id, info.context.now)
        if id == caller.session_id:
            info.context.exchange.forget()
        return LoggedOut(at=at)
