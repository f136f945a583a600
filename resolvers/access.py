"""Permissions: which callers have which capabilities, and which data a caller can access.

Which capability a field of the API requires is declared on the field: `schema.engine.permissions`.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum

from domain import refusals
from domain.identity import callers
from domain.identity.callers import Role, Scope
from domain.messaging import texts


class Capability(StrEnum):
    """Permissions. A caller with only one customer has them for that customer only."""

    INGEST = texts.mark_text("report calls")
    SEE_CUSTOMERS = texts.mark_text("see customers")
    SEE_CONTACTS = texts.mark_text("see contacts")
    SEE_STAFF = texts.mark_text("see the account's staff")
    SEE_LIVE = texts.mark_text("see live channels")
    SEE_STATS = texts.mark_text("see graphs")
    SEE_SUMMARIES = texts.mark_text("see summaries and their charges")
    SEE_CALLS = texts.mark_text("see single calls and their numbers")
    SEE_BILLING = texts.mark_text("see balances, invoices and reconciliation")
    SEE_COST = texts.mark_text("see what carriers are paid")
    INVOICE = texts.mark_text("create invoices")
    POST_PAYMENTS = texts.mark_text("post payments")
    MANAGE_CUSTOMERS = texts.mark_text("create and change customers and contacts")
    MANAGE_CARRIERS = texts.mark_text("create and change carriers and rate cards")
    MANAGE_STAFF = texts.mark_text("create and change staff and API keys")
    MANAGE_ACCOUNT = texts.mark_text("change the account's settings")
    SIGN_IN_AS = texts.mark_text("sign in as a contact")
    SEE_AUDIT = texts.mark_text("read the audit log")
    SEE_NUMBERS = texts.mark_text("see number blocks and SIP users")
    USE_NUMBERS = texts.mark_text("create and remove SIP users")
    ASSIGN_NUMBERS = texts.mark_text("set the number range and assign blocks")
    SEE_ALERTS = texts.mark_text("see alerts")
    MANAGE_ALERTS = texts.mark_text("create and change alert rules")
    REVIEW_RECORDS = texts.mark_text("correct, replay, accept and discard call records")
    RATE_CALLS = texts.mark_text("rate and waive calls without a rate")


class Identity(Enum):
    """The kind of caller that a field requires if it requires no capability."""

    NONE = "no sign-in"
    SIGNED_IN = "any caller"
    PERSON = "no API key"
    PERSON_ITSELF = "no API key, no staff signed in as a contact"
    SESSION = "no API key, refused as NO_SESSION"
    SESSION_ITSELF = "as SESSION, no staff signed in as a contact"


_SESSIONS = (Identity.SESSION, Identity.SESSION_ITSELF)
_ITSELF = (Identity.PERSON_ITSELF, Identity.SESSION_ITSELF)

C = Capability
_SEE_ALL = frozenset(
    {
        C.SEE_CUSTOMERS,
        C.SEE_CONTACTS,
        C.SEE_STAFF,
        C.SEE_LIVE,
        C.SEE_STATS,
        C.SEE_SUMMARIES,
        C.SEE_CALLS,
        C.SEE_BILLING,
        C.SEE_COST,
        C.SEE_AUDIT,
        C.SEE_NUMBERS,
        C.SEE_ALERTS,
    }
)
_SERVE = frozenset(
    {
        C.MANAGE_CUSTOMERS,
        C.MANAGE_CARRIERS,
        C.SIGN_IN_AS,
        C.USE_NUMBERS,
        C.ASSIGN_NUMBERS,
        C.MANAGE_ALERTS,
        C.REVIEW_RECORDS,
        C.RATE_CALLS,
    }
)

OF_ROLE: Mapping[Role, frozenset[Capability]] = {
    Role.OWNER: _SEE_ALL | _SERVE | {C.INVOICE, C.POST_PAYMENTS, C.MANAGE_STAFF, C.MANAGE_ACCOUNT},
    Role.SUPPORT: _SEE_ALL | _SERVE,
    Role.FINANCE: _SEE_ALL | {C.INVOICE, C.POST_PAYMENTS, C.RATE_CALLS},
}
_READ_BILLING = frozenset(
    {C.SEE_CUSTOMERS, C.SEE_STATS, C.SEE_SUMMARIES, C.SEE_CALLS, C.SEE_BILLING}
)
OF_SCOPE: Mapping[Scope, frozenset[Capability]] = {
    Scope.INGEST: frozenset({C.INGEST}),
    Scope.LIVE_READ: frozenset({C.SEE_CUSTOMERS, C.SEE_LIVE, C.SEE_STATS, C.SEE_ALERTS}),
    Scope.STATS_READ: frozenset({C.SEE_CUSTOMERS, C.SEE_STATS, C.SEE_SUMMARIES}),
    Scope.BILLING_READ: _READ_BILLING,
    Scope.BILLING_WRITE: _READ_BILLING | {C.INVOICE, C.POST_PAYMENTS},
}
# A contact sees its own customer, its colleagues and their audit log, and may invoice closed rows.
OF_CONTACT = frozenset(
    {
        C.SEE_CUSTOMERS,
        C.SEE_CONTACTS,
        C.SEE_AUDIT,
        C.SEE_LIVE,
        C.SEE_STATS,
        C.SEE_SUMMARIES,
        C.SEE_CALLS,
        C.SEE_BILLING,
        C.INVOICE,
        C.SEE_NUMBERS,
        C.USE_NUMBERS,
        C.SEE_ALERTS,
    }
)


def may(caller: callers.Caller, capability: Capability) -> bool:
    if caller.kind is callers.Kind.CONTACT:
        return capability in OF_CONTACT and _staff_may(caller, capability)
    if caller.role is not None:
        return capability in OF_ROLE[caller.role]
    return any(capability in OF_SCOPE[scope] for scope in caller.scopes)


def _staff_may(caller: callers.Caller, capability: Capability) -> bool:
    """Whether staff signed in as a contact may: only if both may. True for a contact itself."""
    if caller.staff_id is None:
        return True
    return caller.role is not None and may_act(caller) and capability in OF_ROLE[caller.role]


def may_act(caller: callers.Caller) -> bool:
    """Whether staff may still act as a contact. True for any other caller."""
    if caller.staff_id is None:
        return True
    return caller.role is not None and C.SIGN_IN_AS in OF_ROLE[caller.role]


def require(caller: callers.Caller, capability: Capability) -> None:
    """Refuses FORBIDDEN if the caller does not have the capability."""
    if not may(caller, capability):
        raise refusals.Refusal(
            "FORBIDDEN",
            "This login or key cannot {capability}. Use one that can.",
            capability=texts.Text(capability),
        )


def require_account(caller: callers.Caller, capability: Capability) -> None:
    """`require`, and FORBIDDEN if the caller can access only one customer."""
    require(caller, capability)
    if not sees_account(caller):
        raise refusals.Refusal(
            "FORBIDDEN",
            "This login or key can {capability} only for its own customer. Set that customer.",
            capability=texts.Text(capability),
        )


def require_customer(caller: callers.Caller, capability: Capability, customer_id: int) -> None:
    """`require`, and NOT_FOUND if the caller can access only another customer."""
    require(caller, capability)
    require_visible(caller, customer_id)


def require_scope(caller: callers.Caller, capability: Capability, customer_id: int | None) -> None:
    """`require_customer`, or `require_account` if the customer is None."""
    if customer_id is None:
        require_account(caller, capability)
    else:
        require_customer(caller, capability, customer_id)


def require_identity(caller: callers.Caller, identity: Identity) -> None:
    """FORBIDDEN or NO_SESSION to an API key, FORBIDDEN to staff signed in as a contact, if the
    identity excludes them."""
    if identity in (Identity.NONE, Identity.SIGNED_IN):
        return
    if caller.kind is callers.Kind.KEY:
        raise _no_person("NO_SESSION" if identity in _SESSIONS else "FORBIDDEN")
    if identity in _ITSELF and caller.staff_id is not None:
        raise refusals.Refusal(
            "FORBIDDEN",
            "Staff who are signed in as a contact cannot do this. The contact has to do it.",
        )


def require_self(caller: callers.Caller) -> int:
    """The session of a person who acts for itself. Refuses NO_SESSION for an API key, FORBIDDEN for
    staff signed in as the contact."""
    session_id = require_session(caller)
    require_identity(caller, Identity.SESSION_ITSELF)
    return session_id


def require_session(caller: callers.Caller) -> int:
    """The caller's session. Refuses NO_SESSION for an API key."""
    if caller.session_id is None:
        raise _no_person("NO_SESSION")
    return caller.session_id


def _no_person(code: str) -> refusals.Refusal:
    return refusals.Refusal(code, "An API key cannot do this. Sign in as a person.")


# Which customers a caller sees ------------------------------------------------------------------


def sees_account(caller: callers.Caller) -> bool:
    """Whether the caller can access all customers, and the data of the account itself."""
    return caller.customer_id is None


def sees_customer(caller: callers.Caller, customer_id: int | None) -> bool:
    """Whether the caller can access a customer, or (None) the account itself."""
    return sees_account(caller) or caller.customer_id == customer_id


def require_visible(caller: callers.Caller, customer_id: int) -> None:
    """Refuses NOT_FOUND, as for a missing customer, if the caller can access only another one."""
    if not sees_customer(caller, customer_id):
        raise refusals.not_found("Customer", "customerId")
