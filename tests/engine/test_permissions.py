"""Each field declares who may call it, and is refused to others before anything of it runs."""

import copy
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from strawberry.types.field import StrawberryField

from domain import refusals
from domain.alerting import evaluation
from domain.identity import callers
from domain.identity.callers import Kind, Role, Scope
from resolvers import access
from resolvers.access import Capability, Identity
from runtime import clock
from schema import root
from schema.engine import base, permissions, services
from schema.engine.plans import fields as plan_fields
from tests.support.api import rights

PEOPLE_PAGE = Path(__file__).parents[2] / "docs" / "people.md"

# Who has which capability. Written down here a second time, so that no change goes unnoticed.
STAFF = "owner support finance"
EXPECTED = {
    "INGEST": "INGEST",
    "SEE_CUSTOMERS": f"{STAFF} contact LIVE_READ STATS_READ BILLING_READ BILLING_WRITE",
    "SEE_CONTACTS": f"{STAFF} contact",
    "SEE_STAFF": STAFF,
    "SEE_LIVE": f"{STAFF} contact LIVE_READ",
    "SEE_STATS": f"{STAFF} contact LIVE_READ STATS_READ BILLING_READ BILLING_WRITE",
    "SEE_SUMMARIES": f"{STAFF} contact STATS_READ BILLING_READ BILLING_WRITE",
    "SEE_CALLS": "owner support finance contact BILLING_READ BILLING_WRITE",
    "SEE_BILLING": f"{STAFF} contact BILLING_READ BILLING_WRITE",
    "SEE_COST": STAFF,
    "INVOICE": "owner finance contact BILLING_WRITE",
    "POST_PAYMENTS": "owner finance BILLING_WRITE",
    "MANAGE_CUSTOMERS": "owner support",
    "MANAGE_CARRIERS": "owner support",
    "MANAGE_STAFF": "owner",
    "MANAGE_ACCOUNT": "owner",
    "SIGN_IN_AS": "owner support",
    "SEE_AUDIT": f"{STAFF} contact",
    "SEE_NUMBERS": f"{STAFF} contact",
    "USE_NUMBERS": "owner support contact",
    "ASSIGN_NUMBERS": "owner support",
    "SEE_ALERTS": f"{STAFF} contact LIVE_READ",
    "MANAGE_ALERTS": "owner support",
    "REVIEW_RECORDS": "owner support",
    "RATE_CALLS": STAFF,
}

ALONE: dict[str, callers.Caller] = {
    **{role.lower(): callers.Caller(1, Kind.STAFF, 1, role, session_id=1) for role in Role},
    "contact": callers.Caller(1, Kind.CONTACT, 1, customer_id=1, session_id=1),
    **{scope: callers.Caller(1, Kind.KEY, 1, scopes=frozenset({scope})) for scope in Scope},
}
EVERYBODY: dict[str, callers.Caller | None] = {
    **ALONE,
    "owner as contact": callers.Caller(
        1, Kind.CONTACT, 1, Role.OWNER, customer_id=1, session_id=1, staff_id=1
    ),
    "finance as contact": callers.Caller(
        1, Kind.CONTACT, 1, Role.FINANCE, customer_id=1, session_id=1, staff_id=1
    ),
    "LIVE_READ of one customer": callers.Caller(
        1, Kind.KEY, 1, scopes=frozenset({Scope.LIVE_READ}), customer_id=1
    ),
    "nobody": None,
}


def test_each_role_contact_and_scope_has_the_capabilities_that_are_expected() -> None:
    found = {
        capability.name: " ".join(who for who, one in ALONE.items() if access.may(one, capability))
        for capability in Capability
    }
    assert found == EXPECTED


def test_the_page_of_people_says_the_same() -> None:
    rows = re.findall(r"^\| ([a-z][^|]+) \|(.*)\|$", PEOPLE_PAGE.read_text(), re.M)
    cells = {row: [cell.strip() == "yes" for cell in rest.split("|")] for row, rest in rows}
    for capability in Capability:
        who = [name for name, yes in zip(ALONE, cells[str(capability)], strict=True) if yes]
        assert " ".join(who) == EXPECTED[capability.name]


# Declarations -----------------------------------------------------------------------------------

ROOTS = ("Query", "Mutation", "Subscription")
RESTRICTED = [
    (type, name)
    for type, name in rights.fields()
    if (needs := rights.requirement(type, name)) and needs.requires is not Identity.NONE
]


def test_every_field_declares_who_may_call_it() -> None:
    missing = [
        f"{type}.{name}"
        for type, name in rights.fields()
        if rights.requirement(type, name) is None
        and not permissions.is_open(rights.declaration(type, name))
    ]
    assert missing == [], "see `schema.engine.permissions`"


def test_every_query_mutation_and_subscription_has_a_requirement() -> None:
    assert not [
        f"{type}.{name}"
        for type, name in rights.fields()
        if type in ROOTS and rights.requirement(type, name) is None
    ]


def test_no_field_of_an_open_type_has_a_requirement() -> None:
    restricted = [rights.declaration(type, name).origin for type, name in RESTRICTED]
    assert not [type for type in restricted if permissions.is_open_type(type)]


def test_the_description_ends_with_who_may_call_the_field() -> None:
    fields = rights.type_of("Customer").fields
    assert str(fields["balance"].description).endswith(
        " Requires permission to see balances, invoices and reconciliation: staff, contacts and API"
        " keys with BILLING_READ or BILLING_WRITE."
    )
    assert str(rights.type_of("Carrier").fields["sipUri"].description).endswith(
        " Null unless the caller may see what carriers are paid: staff."
    )
    assert str(rights.type_of("Query").fields["carriers"].description).endswith(
        " Requires permission to see live channels: staff and API keys of the whole account with"
        " LIVE_READ."
    )
    assert str(rights.type_of("AlertRule").fields["threshold"].description).endswith(
        " If it is a balance: null unless the caller may see balances, invoices and reconciliation:"
        " staff, contacts and API keys with BILLING_READ or BILLING_WRITE."
    )


# The check --------------------------------------------------------------------------------------


class _Balance:
    """Meets the condition of every requirement that has one."""

    metric = evaluation.Metric.BALANCE

    @property
    def row(self) -> "_Balance":
        return self

    rule = row

    async def rule_row(self, _: object) -> "_Balance":
        return self


def _context(caller: callers.Caller | None) -> base.Context:
    nothing: Any = None
    return base.Context(caller, clock.now, services.Services(nothing, nothing, nothing))


async def _answer(resolve: Callable[..., Any], caller: callers.Caller | None) -> Any:
    """What the field's resolver returns or raises; it is given nothing to work with."""
    info: Any = SimpleNamespace(context=_context(caller))
    try:
        answer = resolve(_Balance(), info)
        return await answer if inspect.isawaitable(answer) else answer
    except Exception as error:
        return error


async def _is_refused(
    field: StrawberryField, resolve: Callable[..., Any], caller: callers.Caller | None
) -> bool:
    """Whether the caller gets a refusal (null, if it is hidden) and no code of the field runs."""
    body = None if field.base_resolver is None else field.base_resolver.wrapped_func.__code__
    ran = False

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal ran
        ran = ran or (event == "call" and frame.f_code is body)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        answer = await _answer(resolve, caller)
    finally:
        sys.setprofile(before)
    needs = permissions.requirement_of(field)
    if needs is not None and needs.hidden and caller is not None:
        return answer is None and not ran
    is_refusal = isinstance(answer, refusals.Refusal | base.NotPermitted)
    code = "UNAUTHENTICATED" if caller is None else "FORBIDDEN"
    return is_refusal and answer.code in (code, "NO_SESSION") and not ran


def _excluded(type: str, name: str) -> Iterator[tuple[str, callers.Caller | None]]:
    needs = rights.required(type, name)
    return ((who, caller) for who, caller in EVERYBODY.items() if not needs.allows(caller))


@pytest.mark.parametrize(("type", "name"), RESTRICTED, ids=[".".join(one) for one in RESTRICTED])
async def test_a_field_runs_only_for_callers_who_may_call_it(type: str, name: str) -> None:
    definition, field = (
        rights.type_of(type).fields[name],
        rights.declaration(type, name),
    )
    resolve = definition.subscribe if type == "Subscription" else definition.resolve
    assert resolve is not None
    for who, caller in _excluded(type, name):
        assert await _is_refused(field, resolve, caller), f"{type}.{name} as {who}"
    assert (type, name) not in plan_fields.plain_fields(rights.SCHEMA)


@pytest.mark.parametrize(("type", "name"), RESTRICTED, ids=[".".join(one) for one in RESTRICTED])
async def test_a_field_without_its_check_would_be_noticed(type: str, name: str) -> None:
    """The test above fails for each field of which the check is removed."""
    field = rights.declaration(type, name)
    unchecked = copy.copy(field)
    unchecked.extensions = [
        one for one in field.extensions if not isinstance(one, permissions.Check)
    ]
    resolve = root.api.schema_converter.from_resolver(unchecked)
    for who, caller in _excluded(type, name):
        assert not await _is_refused(unchecked, resolve, caller), f"{type}.{name} as {who}"
