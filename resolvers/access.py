"""Who may do what: the one table, and the two questions asked of it."""

from collections.abc import Mapping
from enum import StrEnum

from domain import callers, refusals, texts
from domain.callers import Role, Scope


class Capability(StrEnum):
    """What can be allowed. Those of a customer hold for one's own customer, or for all of them."""

    INGEST = texts.marked("report calls")
    SEE_CUSTOMERS = texts.marked("see customers")
    SEE_CONTACTS = texts.marked("see contacts")
    SEE_STAFF = texts.marked("see the account's staff")
    SEE_LIVE = texts.marked("see live channels")
    SEE_STATS = texts.marked("see statistics and summaries")
    SEE_BILLING = texts.marked("see balances, invoices and reconciliation")
    SEE_COST = texts.marked("see what carriers take")
    INVOICE = texts.marked("make invoices")
    POST_PAYMENTS = texts.marked("post payments")
    MANAGE_CUSTOMERS = texts.marked("create and change customers and contacts")
    MANAGE_CARRIERS = texts.marked("create and change carriers and rate cards")
    MANAGE_STAFF = texts.marked("create and change staff and API keys")
    MANAGE_ACCOUNT = texts.marked("change the account's settings")
    SIGN_IN_AS = texts.marked("sign in as a contact")
    SEE_AUDIT = texts.marked("read the audit log")
    SEE_NUMBERS = texts.marked("see number blocks and SIP users")
    USE_NUMBERS = texts.marked("create and remove SIP users")
    ASSIGN_NUMBERS = texts.marked("set the number range and assign blocks")
    SEE_ALERTS = texts.marked("see alerts")
    MANAGE_ALERTS = texts.marked("create and change alert rules")
    REVIEW_RECORDS = texts.marked("correct, replay, accept and discard call records")
    RATE_CALLS = texts.marked("rate and waive calls without a rate")


C = Capability
_SEE_ALL = frozenset(
    {
        C.SEE_CUSTOMERS,
        C.SEE_CONTACTS,
        C.SEE_STAFF,
        C.SEE_LIVE,
        C.SEE_STATS,
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
OF_SCOPE: Mapping[Scope, frozenset[Capability]] = {
    Scope.INGEST: frozenset({C.INGEST}),
    Scope.LIVE_READ: frozenset({C.SEE_CUSTOMERS, C.SEE_LIVE, C.SEE_STATS, C.SEE_ALERTS}),
    Scope.BILLING_READ: frozenset({C.SEE_CUSTOMERS, C.SEE_STATS, C.SEE_BILLING}),
    Scope.BILLING_WRITE: frozenset(
        {C.SEE_CUSTOMERS, C.SEE_STATS, C.SEE_BILLING, C.INVOICE, C.POST_PAYMENTS}
    ),
}
# A contact sees its own customer, its colleagues and who did what to them, and may have its
# closed rows invoiced.
OF_CONTACT = frozenset(
    {
        C.SEE_CUSTOMERS,
        C.SEE_CONTACTS,
        C.SEE_AUDIT,
        C.SEE_LIVE,
        C.SEE_STATS,
        C.SEE_BILLING,
        C.INVOICE,
        C.SEE_NUMBERS,
        C.USE_NUMBERS,
        C.SEE_ALERTS,
    }
)


def capabilities(caller: callers.Caller) -> frozenset[Capability]:
    if caller.kind is callers.Kind.CONTACT:
        return OF_CONTACT & _of_acting(caller)
    if caller.role is not None:
        return OF_ROLE[caller.role]
    return frozenset().union(*(OF_SCOPE[scope] for scope in caller.scopes))


def _of_acting(caller: callers.Caller) -> frozenset[Capability]:
    """Staff signed in as a contact do no more than either may."""
    if caller.staff_id is None:
        return OF_CONTACT
    return OF_ROLE[caller.role] if caller.role is not None and may_act(caller) else frozenset()


def may_act(caller: callers.Caller) -> bool:
    """Whether who acts as a contact still may; a contact itself does not act."""
    if caller.staff_id is None:
        return True
    return caller.role is not None and C.SIGN_IN_AS in OF_ROLE[caller.role]


def may(caller: callers.Caller, capability: Capability) -> bool:
    return capability in capabilities(caller)


def require(caller: callers.Caller, capability: Capability) -> None:
    """FORBIDDEN without the capability, whatever it is about."""
    if not may(caller, capability):
        raise refusals.Refusal(
            "FORBIDDEN",
            "You may not {capability}; use a login or a key that may.",
            capability=texts.Text(capability),
        )


def require_account(caller: callers.Caller, capability: Capability) -> None:
    """`require`, and FORBIDDEN to whoever sees one customer only."""
    require(caller, capability)
    if caller.customer_id is not None:
        raise refusals.Refusal(
            "FORBIDDEN",
            "You may {capability} of your own customer only; name it.",
            capability=texts.Text(capability),
        )


def require_customer(caller: callers.Caller, capability: Capability, customer_id: int) -> None:
    """`require`; another customer is NOT_FOUND to whoever sees one only."""
    require(caller, capability)
    if caller.customer_id is not None and caller.customer_id != customer_id:
        raise refusals.no_such("Customer", "customerId")


def require_scope(caller: callers.Caller, capability: Capability, customer_id: int | None) -> None:
    """`require_customer`, or `require_account` where the customer is None."""
    if customer_id is None:
        require_account(caller, capability)
    else:
        require_customer(caller, capability, customer_id)


def require_self(caller: callers.Caller) -> int:
    """The session of a person that acts for itself; NO_SESSION to an API key, FORBIDDEN to staff
    who signed in as this contact."""
    if caller.session_id is None:
        raise refusals.Refusal("NO_SESSION", "An API key is no person; sign in as one.")
    if caller.staff_id is not None:
        raise refusals.Refusal(
            "FORBIDDEN", "You are signed in as this contact; only the contact itself may do this."
        )
    return caller.session_id
