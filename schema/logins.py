"""What contacts and staff have in common: a login, a language, a time zone."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

import strawberry

from models import logins, tables
from schema import base


@strawberry.enum(description="Whether a person can sign in.")
class LoginStatus(Enum):
    INVITED = strawberry.enum_value("INVITED", description="Not yet: has set no password.")
    ACTIVE = strawberry.enum_value("ACTIVE", description="Yes.")
    DISABLED = strawberry.enum_value("DISABLED", description="No, until it is enabled again.")


@strawberry.type(description="What the clocks of a time zone show now.")
class ZoneNow:
    offset_minutes: int = strawberry.field(
        description="Minutes ahead of UTC, negative behind it: 345 in Kathmandu."
    )
    abbreviation: str = strawberry.field(
        description="Such as CEST; +0545 and the like where a zone has no letters."
    )

    @classmethod
    def of(cls, zone: str, now: datetime) -> "ZoneNow":
        local = now.astimezone(ZoneInfo(zone))
        offset = local.utcoffset()
        assert offset is not None  # an aware datetime has one
        return cls(
            offset_minutes=int(offset.total_seconds()) // 60, abbreviation=str(local.tzname())
        )


@strawberry.type
class HasLogin(base.Node):
    account_id: strawberry.Private[int]
    login_id: strawberry.Private[int]
    name: str = strawberry.field(description="The person's name.")
    language: str = strawberry.field(description="BCP 47 tag, such as en.")
    time_zone: str = strawberry.field(
        description="IANA zone of its graphs and call lists, such as Europe/Berlin."
    )
    version: base.Long = strawberry.field(
        description="Rises with every change; for `expectedVersion`."
    )
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="What the clocks of its time zone show now.")
    def time_zone_now(self, info: base.Info) -> ZoneNow:
        return ZoneNow.of(self.time_zone, info.context.now)

    @strawberry.field(description="Whether it can sign in.")
    async def login_status(self, info: base.Info) -> LoginStatus:
        login = await info.context.loader(_logins).load((self.account_id, self.login_id))
        if login.disabled_at is not None:
            return LoginStatus.DISABLED
        return LoginStatus.INVITED if login.password_hash is None else LoginStatus.ACTIVE


async def email_of(info: base.Info, account_id: int, login_id: int) -> str:
    login = await info.context.loader(_logins).load((account_id, login_id))
    return str(login.email)


async def _logins(keys: list[tuple[int, int]]) -> Sequence[tables.Login]:
    """The logins of people of one account: a caller has only one."""
    found = await logins.many(keys[0][0], [login_id for _, login_id in keys])
    return [found[login_id] for _, login_id in keys]
