"""A person's sessions."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Identity
from resolvers.identity import own_sessions
from schema.engine import base, permissions

_KIND = "OpenSession"


@permissions.open_type
@strawberry.type(description="An active session of the viewer.")
class OpenSession:
    id: strawberry.ID = strawberry.field(description="Opaque id. Pass it to `endSession`.")
    created_at: datetime = strawberry.field(description="When it started.")
    last_used_at: datetime = strawberry.field(
        description="When it was last used, to five minutes. An open socket counts as use."
    )
    expires_at: datetime = strawberry.field(
        description="When it expires unless it is used. Each use extends it, up to `endsAt`."
    )
    ends_at: datetime = strawberry.field(description="When it ends at the latest.")
    address: str | None = strawberry.field(
        description="IP address from which it was started. Null if unknown."
    )
    user_agent: str | None = strawberry.field(
        description="User-Agent of the sign-in. Null if none was sent."
    )
    current: bool = strawberry.field(description="Whether it is the caller's session.")
    started_by: str | None = strawberry.field(
        description="Name of the staff who signed in as the viewer. Null if the viewer signed in."
    )

    @classmethod
    def of(
        cls, row: own_sessions.ActiveSession, account_id: int, current: int | None
    ) -> "OpenSession":
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


@permissions.open_type
@strawberry.type(description="The session has ended.")
class LoggedOut:
    at: datetime = strawberry.field(description="When it ended.")


@strawberry.input(description="The session to end.")
class EndSessionInput:
    id: strawberry.ID = strawberry.field(description="The session's id.")


EndSessionResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("EndSessionResult", description="The time of the end, or a refusal."),
]
LogoutResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("LogoutResult", description="A confirmation, or a refusal."),
]
LogoutEverywhereResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("LogoutEverywhereResult", description="A confirmation, or a refusal."),
]


@strawberry.type
class SessionQuery:
    @permissions.field(
        requires=Identity.SESSION_ITSELF,
        description="The viewer's active sessions, latest first.",
    )
    async def sessions(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[OpenSession] | None:
        caller, size = info.context.signed_in(), base.page_size(first)
        before = base.decode_number_cursor(after)
        rows = await own_sessions.page(caller, info.context.now, before=before, limit=size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda row: base.encode_cursor(row.id),
            lambda row: OpenSession.of(row, caller.account_id, caller.session_id),
        )


@strawberry.type
class SessionMutation:
    @permissions.mutation(
        requires=Identity.SESSION,
        description="Ends the caller's session within a second, on all servers.",
    )
    async def logout(self, info: base.Info) -> LogoutResult:
        await own_sessions.logout(info.context.signed_in(), info.context.now)
        info.context.exchange.forget()
        return LoggedOut(at=info.context.now)

    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description="Ends all sessions of the viewer, including the caller's, within a second.",
    )
    async def logout_everywhere(self, info: base.Info) -> LogoutEverywhereResult:
        await own_sessions.end_everywhere(info.context.signed_in(), info.context.now)
        info.context.exchange.forget()
        return LoggedOut(at=info.context.now)

    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description=(
            "Ends a session of the viewer within a second. Has no effect if it has already ended."
        ),
    )
    async def end_session(
        self,
        info: base.Info,
        input: Annotated[EndSessionInput, strawberry.argument(description="The session.")],
    ) -> EndSessionResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, _KIND, caller.account_id)
        at = await own_sessions.end(caller, id, info.context.now)
        if id == caller.session_id:
            info.context.exchange.forget()
        return LoggedOut(at=at)
