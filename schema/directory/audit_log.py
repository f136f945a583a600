"""The audit log."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeAlias

import strawberry

from domain.directory import profiles
from resolvers.access import Capability
from resolvers.directory import audit_log
from schema.engine import base, permissions
from schema.engine.documents import prices

# The GraphQL types of subjects such as `customer:3`.
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


@strawberry.enum(description="Kind of the actor.")
class ActorKind(Enum):
    STAFF = strawberry.enum_value("STAFF", description="A person of the account.")
    CONTACT = strawberry.enum_value("CONTACT", description="A person of a customer.")
    KEY = strawberry.enum_value("KEY", description="A program.")
    SYSTEM = strawberry.enum_value("SYSTEM", description="Callboard itself.")
    COMMAND = strawberry.enum_value("COMMAND", description="A command run on the server.")


@permissions.open_type
@strawberry.type(description="A changed value.")
class AuditChange:
    field: str = strawberry.field(description="Name of the field in this API, such as legalName.")
    before: str | None = strawberry.field(
        description="Previous value as text. Null if there was none or it was not recorded."
    )
    after: str | None = strawberry.field(
        description="New value as text. Null if the value was removed."
    )


@permissions.open_type
@strawberry.type(description="A recorded action. Entries are never changed or removed.")
class AuditEntry:
    entry: strawberry.Private[audit_log.Entry]
    account_id: strawberry.Private[int]
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    at: datetime = strawberry.field(description="When it was done.")
    action: str = strawberry.field(description="The action, such as customer.update.")
    actor_kind: ActorKind = strawberry.field(description="Kind of the actor.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="Id of the actor. Null for SYSTEM and COMMAND."
    )
    subject_kind: str = strawberry.field(
        description="Kind of the object that was acted on, such as customer."
    )
    subject_id: strawberry.ID | None = strawberry.field(
        description="Id of the object. Null if it has no id in this API, as a switch."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        description="The customer that it concerns. Null if it concerns only the account."
    )
    address: str | None = strawberry.field(
        description=(
            "IP address of the request. Null if there was no request, or if the caller may not"
            " see it."
        )
    )
    change_count: base.Long = strawberry.field(description="Number of changed values.")

    @classmethod
    def of(cls, account_id: int, entry: audit_log.Entry) -> "AuditEntry":
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

    @strawberry.field(
        description="Present name of the actor. Null for SYSTEM and COMMAND.",
        metadata=prices.price(3),
    )
    async def actor_name(self, info: base.Info) -> str | None:
        return await self._name(info, self.entry.actor)

    @strawberry.field(
        description=(
            "Name of the staff who was signed in as this contact. Null if the actor acted for"
            " itself."
        )
    )
    async def acting_staff_name(self, info: base.Info) -> str | None:
        staff_id = self.entry.staff_id
        return None if staff_id is None else await self._name(info, f"staff:{staff_id}")

    @strawberry.field(
        description="The changed values by name; for a new object, its values.",
        metadata=prices.price(2),
    )
    def changes(self, first: base.First = 50) -> list[AuditChange] | None:
        names = sorted({**self.entry.before, **self.entry.after})[: base.page_size(first)]
        return [
            AuditChange(
                field=profiles.to_camel_case(name),
                before=_text(self.entry.before, name),
                after=_text(self.entry.after, name),
            )
            for name in names
        ]

    async def _name(self, info: base.Info, actor: str) -> str | None:
        return await info.context.loader(audit_log.names).load((self.account_id, actor))


def _id(account_id: int, name: str) -> strawberry.ID | None:
    kind, _, number = name.partition(":")
    type = _TYPES.get(kind)
    return None if type is None else base.encode_id(type, account_id, number)


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


@strawberry.input(description="Filter of the audit log. Null matches everything.")
class AuditFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only entries that concern this customer."
    )
    actor: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "Only actions of this person or key. For a contact, also those of staff signed in as"
            " the contact."
        ),
    )
    action: str | None = strawberry.field(
        default=None, description="Only this action, such as customer.update."
    )
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Start, inclusive."
    )
    to: datetime | None = strawberry.field(default=None, description="End, exclusive.")


_Filter: TypeAlias = Annotated[
    AuditFilter | None, strawberry.argument(description="A filter. Null: all.")
]


@strawberry.type
class HasAuditLog(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_AUDIT,
        description=(
            "Actions that concern it, newest first: those of its contacts, of staff, and of"
            " staff signed in as one of its contacts."
        ),
    )
    async def audit_log(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[AuditEntry] | None:
        return await _page(info, audit_log.Filter(customer_id=self.customer_id), first, after)


@strawberry.type
class AuditQuery:
    @permissions.field(
        requires=Capability.SEE_AUDIT,
        description=(
            "The audit log of the account, newest first. Callers that can access only one"
            " customer have to set `customerId` in the filter."
        ),
    )
    async def audit_log(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: _Filter = None,
    ) -> base.Connection[AuditEntry] | None:
        given_filter = filter or AuditFilter()
        account_id = info.context.signed_in().account_id
        customer_id = None
        if given_filter.customer_id is not None:
            customer_id = base.decode_id(given_filter.customer_id, "Customer", account_id)
        selection = audit_log.Filter(
            customer_id=customer_id,
            actor=None if given_filter.actor is None else _actor(given_filter.actor, account_id),
            action=given_filter.action,
            start=given_filter.from_,
            end=given_filter.to,
        )
        return await _page(info, selection, first, after)


def _actor(global_id: str, account_id: int) -> str:
    """The actor such as `staff:3`; for an unknown id, a name that no actor has."""
    kind = (base.split_id(global_id) or ("",))[0]
    number = base.single(base.parts_of(global_id, kind, account_id))
    return f"{_KINDS.get(kind, 'nobody')}:{number}"


async def _page(
    info: base.Info, filter: audit_log.Filter, first: int, after: str | None
) -> base.Connection[AuditEntry]:
    size, caller = base.page_size(first), info.context.signed_in()
    rows = await audit_log.page(caller, filter, base.decode_time_cursor(after), size + 1)
    return base.page(
        rows,
        size,
        after,
        lambda entry: base.encode_time_cursor(entry.at, entry.id),
        lambda entry: AuditEntry.of(caller.account_id, entry),
    )
