"""Fields that contacts and staff have in common: login, language, time zone."""

from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

import strawberry

from resolvers.identity import logins
from schema.engine import base, permissions


@strawberry.enum(description="Whether a person can sign in.")
class LoginStatus(Enum):
    INVITED = strawberry.enum_value(
        "INVITED", description="Not yet: the person has not set a password."
    )
    ACTIVE = strawberry.enum_value("ACTIVE", description="Yes.")
    DISABLED = strawberry.enum_value("DISABLED", description="No, until it is enabled again.")


@permissions.open_type
@strawberry.type(description="The present offset and abbreviation of a time zone.")
class ZoneNow:
    offset_minutes: int = strawberry.field(
        description="Minutes ahead of UTC, negative behind it: 345 in Kathmandu."
    )
    abbreviation: str = strawberry.field(
        description="Abbreviation such as CEST, or such as +0545 if the zone has none."
    )

    @classmethod
    def of(cls, zone: str, now: datetime) -> "ZoneNow":
        local = now.astimezone(ZoneInfo(zone))
        offset = local.utcoffset()
        assert offset is not None  # an aware datetime has one
        return cls(
            offset_minutes=int(offset.total_seconds()) // 60, abbreviation=str(local.tzname())
        )


@permissions.open_type
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
        description="Increases with every change. Pass it as `expectedVersion`."
    )
    created_at: datetime = strawberry.field(description="When it was created.")

    @strawberry.field(description="Present offset and abbreviation of its time zone.")
    def time_zone_now(self, info: base.Info) -> ZoneNow:
        return ZoneNow.of(self.time_zone, info.context.now)

    @strawberry.field(description="Whether it can sign in.")
    async def login_status(self, info: base.Info) -> LoginStatus:
        login = await info.context.loader(logins.rows).load((self.account_id, self.login_id))
        if login.disabled_at is not None:
            return LoginStatus.DISABLED
        return LoginStatus.INVITED if login.password_hash is None else LoginStatus.ACTIVE


async def email_of(info: base.Info, account_id: int, login_id: int) -> str:
    login = await info.context.loader(logins.rows).load((account_id, login_id))
    return str(login.email)
