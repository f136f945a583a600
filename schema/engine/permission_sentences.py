"""The sentence about permission in a field's description, written from `resolvers.access`."""

from collections.abc import Iterable

from domain.identity.callers import Role, Scope
from resolvers import access
from resolvers.access import Capability, Identity

_OF_IDENTITY = {
    Identity.NONE: "Requires no sign-in.",
    Identity.SIGNED_IN: "Requires a sign-in or an API key.",
    Identity.PERSON: "Requires a person: staff or a contact.",
    Identity.PERSON_ITSELF: "Requires a person, but not staff signed in as a contact.",
    Identity.SESSION: "Requires the session of a person: staff or a contact.",
    Identity.SESSION_ITSELF: "Requires the session of a person, but not of staff signed in as a"
    " contact.",
}


def of(requires: Capability | Identity, whole_account: bool = False, *, hidden: bool) -> str:
    """One sentence; `hidden`: the field is null for other callers."""
    if isinstance(requires, Identity):
        return _OF_IDENTITY[requires]
    who = holders(requires, whole_account)
    if hidden:
        return f"Null unless the caller may {requires}: {who}."
    return f"Requires permission to {requires}: {who}."


def holders(capability: Capability, whole_account: bool = False) -> str:
    """The callers that have a capability, such as "staff and API keys with LIVE_READ"."""
    roles = [role.lower() for role in Role if capability in access.OF_ROLE[role]]
    who = ["staff"] if len(roles) == len(Role) else roles
    if capability in access.OF_CONTACT and not whole_account:
        who.append("contacts")
    scopes = [str(scope) for scope in Scope if capability in access.OF_SCOPE[scope]]
    if scopes:
        keys = "API keys of the whole account" if whole_account else "API keys"
        who.append(f"{keys} with {_joined(scopes, 'or')}")
    return _joined(who, "and")


def _joined(names: Iterable[str], conjunction: str) -> str:
    *others, last = names
    return f"{', '.join(others)} {conjunction} {last}" if others else last
