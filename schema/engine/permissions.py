"""The permission that a field requires, declared on the field.

The check at run time, the last sentence of the field's description and the tests in `tests/access`
all come from this declaration. Which callers have a capability is in `resolvers.access`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.types.field import StrawberryField

from domain import refusals
from domain.identity import callers
from resolvers import access
from resolvers.access import Capability, Identity
from schema.engine import permission_sentences

T = TypeVar("T")
Requires: TypeAlias = Capability | Identity

_OPEN = "callboard.open"


@dataclass(frozen=True, slots=True)
class Condition:
    """Restricts a requirement to some objects. `text` completes "If …", such as "it is a
    balance"."""

    text: str
    holds: Callable[[Any, Any], bool | Awaitable[bool]]  # of the object and Strawberry's info


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a field requires of its caller. `whole_account`: FORBIDDEN to a caller that sees only
    one customer. `hidden`: null instead of a refusal. `when`: only of the objects it holds for."""

    requires: Requires
    whole_account: bool = False
    hidden: bool = False
    when: Condition | None = None

    def check(self, caller: callers.Caller) -> None:
        """UNAUTHENTICATED, FORBIDDEN or NO_SESSION if the caller does not meet it."""
        if isinstance(self.requires, Identity):
            access.require_identity(caller, self.requires)
        elif self.whole_account:
            access.require_account(caller, self.requires)
        else:
            access.require(caller, self.requires)

    def allows(self, caller: callers.Caller | None) -> bool:
        if self.requires is Identity.NONE or caller is None:
            return self.requires is Identity.NONE
        try:
            self.check(caller)
        except refusals.Refusal:
            return False
        return True

    def is_met(self, context: Any) -> bool:
        """False only if the field is null instead; refuses as `check`."""
        if self.requires is Identity.NONE:
            return True
        caller = context.signed_in()
        if self.hidden:
            return self.allows(caller)
        self.check(caller)
        return True

    @property
    def sentence(self) -> str:
        text = permission_sentences.of(self.requires, self.whole_account, hidden=self.hidden)
        return text if self.when is None else f"If {self.when.text}: {text[0].lower()}{text[1:]}"


@dataclass(frozen=True, slots=True)
class NodeKind:
    """How `node(id:)` finds objects of a kind, and what it requires for any of them."""

    find: Callable[[Any, tuple[str, ...]], Awaitable[Any]]
    requires: Requires
    hidden: bool = False

    @property
    def requirement(self) -> Requirement:
        return Requirement(self.requires, hidden=self.hidden)


class Check(FieldExtension):
    """Checks a requirement before the field's resolver runs."""

    def __init__(self, requirement: Requirement) -> None:
        self.requirement = requirement

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        """Null, if the requirement is hidden and not met."""
        when = self.requirement.when
        if when is not None and not when.holds(source, info):
            return next_(source, info, **kwargs)
        return next_(source, info, **kwargs) if self.requirement.is_met(info.context) else None

    def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any
    ) -> Any:
        """As `resolve`; Strawberry awaits the result. A coroutine of its own would cost as much as
        the check."""
        if self.requirement.when is not None:
            return self._resolve_if(self.requirement.when, next_, source, info, **kwargs)
        return next_(source, info, **kwargs) if self.requirement.is_met(info.context) else None

    async def _resolve_if(
        self, when: Condition, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any
    ) -> Any:
        held = when.holds(source, info)
        applies = held if isinstance(held, bool) else await held
        if applies and not self.requirement.is_met(info.context):
            return None
        return await next_(source, info, **kwargs)


def field(
    *,
    requires: Requires,
    description: str,
    whole_account: bool = False,
    hidden: bool = False,
    when: Condition | None = None,
    **more: Any,
) -> Any:
    """A field with its own requirement; `more` are arguments of `strawberry.field`."""
    requirement = Requirement(requires, whole_account, hidden, when)
    return strawberry.field(**_declared(requirement, description, more))


def mutation(
    *, requires: Requires, description: str, whole_account: bool = False, **more: Any
) -> Any:
    requirement = Requirement(requires, whole_account)
    return strawberry.mutation(**_declared(requirement, description, more))


def subscription(*, requires: Requires, description: str, **more: Any) -> Any:
    return strawberry.subscription(**_declared(Requirement(requires), description, more))


def _declared(requirement: Requirement, description: str, more: dict[str, Any]) -> dict[str, Any]:
    """The check is the last extension, which runs first."""
    extensions = [*more.pop("extensions", ()), Check(requirement)]
    described = f"{description} {requirement.sentence}"
    return {**more, "description": described, "extensions": extensions}


def open_field(*, description: str, **more: Any) -> Any:
    """A field that every caller who sees its object may see."""
    metadata = {**more.pop("metadata", {}), _OPEN: True}
    return strawberry.field(description=description, metadata=metadata, **more)


def open_type(type: type[T]) -> type[T]:
    """Declares that every caller who sees an object of this type may see its fields. Does not hold
    for the fields of subclasses."""
    type.__fields_are_open__ = type.__qualname__  # type: ignore[attr-defined]
    return type


def requirement_of(declaration: Any) -> Requirement | None:
    """The requirement of a Strawberry field; None if it has none of its own."""
    extensions = getattr(declaration, "extensions", ())
    requirements = [each.requirement for each in extensions if isinstance(each, Check)]
    return requirements[0] if requirements else None


def is_open(declaration: StrawberryField) -> bool:
    """Whether a field is declared open, by itself or by the class that it is written in."""
    return _OPEN in declaration.metadata or is_open_type(declaration.origin)


def is_open_type(type: Any) -> bool:
    return "__fields_are_open__" in vars(type)
