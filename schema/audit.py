"""The audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeAlias

import strawberry

from domain import profiles
from models import audit as stored
from resolvers import audit_log as resolve
from schema import base

# The GraphQL type of what an entry calls `customer:3`.
_TYPES = {
    "account": "Account",
    "alert_rule": "AlertRule",
    "card": "RateCard",
    "carrier": "Carrier",
    "contact": "Contact",
    "customer": "Customer",
    "held": "HeldRecord",
    "invoice": "Invoice",
    "key": "ApiKey",
    "quarantine": "QuarantinedRecord",
    "staff": "Staff",
}
_KINDS = {"Staff": "staff", "Contact": "contact", "ApiKey": "key"}


@strawberry.enum(description="Who acted.")
class ActorKind(Enum):
    STAFF = strawberry.enum_value("STAFF", description="A person of the account.")
    CONTACT = strawberry.enum_value("CONTACT", description="A person of a customer.")
    KEY = strawberry.enum_value("KEY", description="A program.")
    SYSTEM = strawberry.enum_value("SYSTEM", description="Callboard itself.")
    COMMAND = strawberry.enum_value("COMMAND", description="A command run on the server.")


@strawberry.type(description="A value that has changed.")
class AuditChange:
    field: str = strawberry.field(description="What it is called in this API, such as legalName.")
    before: str | None = strawberry.field(
        description="As text; null: there was none, or it was not kept."
    )
    after: str | None = strawberry.field(description="As text; null: there is none any more.")


@strawberry.type(description="Somebody did something. Entries are never changed or removed.")
class AuditEntry:
    entry: strawberry.Private[stored.Entry]
    account_id: strawberry.Private[int]
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    at: datetime = strawberry.field(description="When.")
    action: str = strawberry.field(description="What was done, such as customer.update.")
    actor_kind: ActorKind = strawberry.field(description="What kind of actor did it.")
    actor_id: strawberry.ID | None = strawberry.field(description="Who; null: SYSTEM, COMMAND.")
    subject_kind: str = strawberry.field(description="What it was done to, such as customer.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="Which one; null where it has no id of this API, such as a switch."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        description="The customer it concerns; null: the account alone."
    )
    address: str | None = strawberry.field(
        description="The IP address it came from; null: from within, or not the customer's to see."
    )
    change_count: base.Long = strawberry.field(description="How many values have changed.")

    @classmethod
    def of(cls, account_id: int, entry: stored.Entry) -> "AuditEntry":
        kind = entry.actor.partition(":")[0]
        return cls(
            entry=entry,
            account_id=account_id,
            id=base.encode_id("AuditEntry", account_id, entry.id),
            at=entry.at,
            action=entry.action,
            actor_kind=ActorKind(kind.upper()),
            actor_id=_id(account_id, entry.actor),
            subject_kind=entry.subject.partition(":")[0],
            subject_id=_id(account_id, entry.subject),
            customer_id=None
            if entry.customer_id is None
            else base.encode_id("Customer", account_id, entry.customer_id),
            address=entry.address,
            change_count=base.Long(len({**entry.before, **entry.after})),
        )

    @strawberry.field(description="The actor's name as it is now; null: SYSTEM, COMMAND.")
    async def actor_name(self, info: base.Info) -> str | None:
        return await self._name(info, self.entry.actor)

    @strawberry.field(
        description="Who of the staff acted as this contact; null: the actor itself did it."
    )
    async def acting_staff_name(self, info: base.Info) -> str | None:
        staff_id = self.entry.staff_id
        return None if staff_id is None else await self._name(info, f"staff:{staff_id}")

    @strawberry.field(description="What has changed, by name; of what was made, what it is.")
    def changes(self, first: base.First = 50) -> list[AuditChange]:
        names = sorted({**self.entry.before, **self.entry.after})[: base.page_size(first)]
        return [
            AuditChange(
                field=profiles.camel(name),
                before=_text(self.entry.before, name),
                after=_text(self.entry.after, name),
            )
            for name in names
        ]

    async def _name(self, info: base.Info, actor: str) -> str | None:
        return await info.context.loader(_names).load((self.account_id, actor))


def _id(account_id: int, named: str) -> strawberry.ID | None:
    kind, _, number = named.partition(":")
    type = _TYPES.get(kind)
    return None if type is None else base.encode_id(type, account_id, number)


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


async def _names(keys: list[tuple[int, str]]) -> Sequence[str | None]:
    found = await stored.names(keys[0][0], [actor for _, actor in keys])
    return [found.get(actor) for _, actor in keys]


@strawberry.input(description="Which entries of the audit log; null matches everything.")
class AuditFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Those that concern this customer."
    )
    actor: strawberry.ID | None = strawberry.field(
        default=None, description="What this person or key did; a contact's: as the contact."
    )
    action: str | None = strawberry.field(
        default=None, description="Of this action, such as customer.update."
    )
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Not before this instant."
    )
    to: datetime | None = strawberry.field(default=None, description="Before this instant.")


_Filter: TypeAlias = Annotated[
    AuditFilter | None, strawberry.argument(description="Which ones; null: all.")
]


@strawberry.type
class HasAuditLog(base.Scoped):
    @strawberry.field(
        description="Who did what that concerns it, newest first: its contacts, staff, staff as one"
        " of its contacts. Staff and the customer's contacts."
    )
    async def audit_log(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[AuditEntry]:
        return await _page(info, stored.Filter(customer_id=self.customer_id), first, after)


@strawberry.type
class AuditQuery:
    @strawberry.field(description="Who did what in the account, newest first. Staff.")
    async def audit_log(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: _Filter = None,
    ) -> base.Connection[AuditEntry]:
        asked = filter or AuditFilter()
        account_id = info.context.signed_in().account_id
        customer_id = None
        if asked.customer_id is not None:
            customer_id = base.decode_id(asked.customer_id, "Customer", account_id)
        wanted = stored.Filter(
            customer_id=customer_id,
            actor=None if asked.actor is None else _actor(asked.actor, account_id),
            action=asked.action,
            start=asked.from_,
            end=asked.to,
        )
        return await _page(info, wanted, first, after)


def _actor(global_id: str, account_id: int) -> str:
    """`staff:3`; of an id that is nobody's, what nobody is called."""
    kind = (base.split_id(global_id) or ("",))[0]
    number = base.single(base.parts_of(global_id, kind, account_id))
    return f"{_KINDS.get(kind, 'nobody')}:{number}"


async def _page(
    info: base.Info, wanted: stored.Filter, first: int, after: str | None
) -> base.Connection[AuditEntry]:
    size, caller = base.page_size(first), info.context.signed_in()
    rows = await resolve.page(caller, wanted, base.decode_time_cursor(after), size + 1)
    return base.page(
        rows,
        size,
        lambda entry: base.encode_time_cursor(entry.at, entry.id),
        lambda entry: AuditEntry.of(caller.account_id, entry),
    )
