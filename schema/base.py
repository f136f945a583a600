"""What every part of the schema is made of: context, ids, refusals, connections."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar, cast

import strawberry
from redis.asyncio import Redis
from strawberry.dataloader import DataLoader

from domain import callers, refusals
from live import bucket as live_bucket
from live import bus
from resolvers import feeds as live_feeds
from schema.scalars import SCALARS as SCALARS
from schema.scalars import Long as Long
from schema.scalars import Money as Money
from schema.scalars import plain as plain

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# What a resolver is given --------------------------------------------------------------------


@dataclass(slots=True)
class Context:
    """One per operation. `now` is its start; a subscription asks `clock()` anew for every push.

    A subscription sets `mark`, before it yields, to the number a client may resume after (`push`);
    one that is resumed finds that number in `resume_after`. `development` shows everybody the
    schema; without a `bucket` operations are not charged.
    """

    caller: callers.Caller | None
    clock: Callable[[], datetime]
    redis: Redis
    bus: bus.Bus
    feeds: live_feeds.Feeds
    resume_after: int | None = None
    mark: int | None = None
    development: bool = False
    bucket: live_bucket.Bucket | None = None
    now: datetime = field(init=False)
    _loaders: dict[Any, DataLoader[Any, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.now = self.clock()

    @property
    def sees_schema(self) -> bool:
        """Whether introspection is answered, and suggestions are made."""
        return self.development or self.caller is not None

    def signed_in(self) -> callers.Caller:
        """The caller; refused as UNAUTHENTICATED where there is none."""
        if self.caller is None:
            raise refusals.Refusal(
                "UNAUTHENTICATED", "Sign in, or send an API key as a bearer token."
            )
        return self.caller

    def push(self, mark: int | None) -> None:
        """Before a subscription yields. What was loaded for the push before is not shown again."""
        self.mark = mark
        self._loaders.clear()

    def loader(self, load: Callable[[list[K]], Awaitable[Sequence[V]]]) -> DataLoader[K, V]:
        """The operation's data loader of a module-level batch function."""
        if load not in self._loaders:
            self._loaders[load] = DataLoader(load_fn=load)
        return cast("DataLoader[K, V]", self._loaders[load])


Info: TypeAlias = strawberry.Info[Context, None]


@strawberry.type
class Scoped:
    """What a customer and an account have in common: whose numbers they show.

    `customer_id` None is the whole account. Fields of both are written once, in a subclass.
    """

    account_id: strawberry.Private[int]
    customer_id: strawberry.Private[int | None]


# Ids -----------------------------------------------------------------------------------------


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque and global; give it to `node(id:)`.")


def encode_id(kind: str, account_id: int, *parts: int | str) -> strawberry.ID:
    """An opaque global id. `kind` is the GraphQL type's name; no part may hold a `:`."""
    return strawberry.ID(_pack("".join((kind, ":", ":".join(map(str, (account_id, *parts)))))))


def split_id(global_id: str) -> tuple[str, int, tuple[str, ...]] | None:
    """(kind, account, parts) of an id, or None of anything that is none."""
    text = _unpack(global_id)
    kind, _, rest = (text or "").partition(":")
    account, *parts = rest.split(":")
    if not kind or not parts or not account.isascii() or not account.isdigit():
        return None
    return kind, int(account), tuple(parts)


def decode_parts(global_id: str, kind: str, account_id: int, field: str = "id") -> tuple[str, ...]:
    """An id's parts; NOT_FOUND for garbage, another kind, or another account's."""
    split = split_id(global_id)
    if split is None or split[0] != kind or split[1] != account_id:
        raise not_found(kind, field)
    return split[2]


def decode_id(global_id: str, kind: str, account_id: int, field: str = "id") -> int:
    """The number an id of `encode_id(kind, account_id, number)` stands for, else NOT_FOUND."""
    number = single(decode_parts(global_id, kind, account_id, field))
    if number is None:
        raise not_found(kind, field)
    return number


def single(parts: tuple[str, ...]) -> int | None:
    """The number of an id that has just one, else None."""
    return as_number(parts[0]) if len(parts) == 1 else None


def as_number(text: str) -> int | None:
    """A non-negative 64-bit number in plain digits, else None."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if number < 2**63 else None


def not_found(kind: str, field: str | None = "id") -> refusals.Refusal:
    return refusals.Refusal("NOT_FOUND", f"There is no such {kind}; check its id.", field)


@lru_cache(maxsize=10_000)  # the same few, in every push
def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpack(text: str) -> str | None:
    if len(text) > 300:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return None


# Refusals ------------------------------------------------------------------------------------


@strawberry.interface(description="An expected no of a mutation: what was wrong, how to mend it.")
class Refusal:
    code: str = strawberry.field(description="Stable, for programs, such as REFERENCE_TAKEN.")
    message: str = strawberry.field(description="For people: what to do.")
    field: str | None = strawberry.field(
        description="The input's field at fault, or null if it is none or more than one."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal) -> Self:
        return cls(code=refusal.code, message=refusal.message, field=refusal.field)


@strawberry.type(description="A value of the input is not acceptable.")
class InvalidInput(Refusal):
    pass


@strawberry.type(description="What the input names does not exist, or not for the caller.")
class NotFound(Refusal):
    pass


@strawberry.type(description="The caller is not signed in, or may not do this.")
class NotPermitted(Refusal):
    pass


@strawberry.type(description="The input is sound, but the present state stands against it.")
class Conflict(Refusal):
    pass


# Every mutation's result: `Annotated[Thing | Refused, strawberry.union("DoThingResult", …)]`.
Refused: TypeAlias = InvalidInput | NotFound | NotPermitted | Conflict

# Codes not named here are InvalidInput.
_TYPE_OF_CODE: dict[str, type[Refusal]] = {
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": NotPermitted,
    "FORBIDDEN": NotPermitted,
    "WRONG_CREDENTIALS": NotPermitted,
    "REFERENCE_TAKEN": Conflict,
    "EMAIL_TAKEN": Conflict,
    "NAME_TAKEN": Conflict,
    "OTHER_CURRENCY": Conflict,
    "ROW_OPEN": Conflict,
    "SUBTOTAL_CHANGED": Conflict,
    "HOURS_ALREADY_INVOICED": Conflict,
    "NOT_A_DRAFT": Conflict,
    "DRAFT_DISCARDED": Conflict,
    "UNRATED_CALLS": Conflict,
    "IDEMPOTENCY_KEY_REUSED": Conflict,
}


class RefusalHandler(strawberry.ExceptionHandler[refusals.Refusal, NotPermitted]):
    """Turns a Refusal raised in a field whose union has the refusal types into its member."""

    def handle(self, exception: refusals.Refusal, *, field: Any, info: Any) -> Any:
        return _TYPE_OF_CODE.get(exception.code, InvalidInput).of(exception)


# Connections ---------------------------------------------------------------------------------

MAX_PAGE = 100
First: TypeAlias = Annotated[
    int, strawberry.argument(description=f"How many at most, 1 to {MAX_PAGE}.")
]
After: TypeAlias = Annotated[
    str | None, strawberry.argument(description="A cursor: what follows it; null: from the start.")
]


@strawberry.type(description="Where a page of a list stands.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow after `endCursor`.")
    end_cursor: str | None = strawberry.field(
        description="The last edge's cursor, for `after`; null on an empty page."
    )


@strawberry.type(description="An item of a list, with its place.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Opaque; give it to `after` for what follows.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Whether and where the list goes on.")


def page_size(first: int, field: str = "first") -> int:
    """`first`, refused outside 1 to MAX_PAGE. Ask the database for one more: see `paged`."""
    if not 1 <= first <= MAX_PAGE:
        raise refusals.Refusal(
            "BAD_PAGE_SIZE", f"Ask for 1 to {MAX_PAGE} at a time, not {first}.", field
        )
    return first


def encode_cursor(*key: int | str) -> str:
    """An opaque cursor of a row's place in its order; no part may hold a `:`."""
    return _pack("cursor:" + ":".join(map(str, key)))


def decode_cursor(cursor: str | None, parts: int = 1) -> tuple[str, ...] | None:
    """A cursor's key, None without a cursor; refused as BAD_CURSOR when it is none of ours."""
    if cursor is None:
        return None
    name, *key = (_unpack(cursor) or "").split(":")
    if name != "cursor" or len(key) != parts:
        raise bad_cursor()
    return tuple(key)


def decode_number_cursor(cursor: str | None) -> int | None:
    """A cursor whose key is one number."""
    key = decode_cursor(cursor)
    if key is None:
        return None
    number = as_number(key[0])
    if number is None:
        raise bad_cursor()
    return number


def bad_cursor() -> refusals.Refusal:
    return refusals.Refusal("BAD_CURSOR", "Use a cursor of this list, or none.", "after")


def paged(
    rows: Sequence[V], first: int, cursor: Callable[[V], str], node: Callable[[V], T]
) -> tuple[list[Edge[T]], PageInfo]:
    """Edges and page info of up to `first + 1` rows in order; the one too many tells of more."""
    edges = [Edge(cursor=cursor(row), node=node(row)) for row in rows[:first]]
    return edges, PageInfo(
        has_next_page=len(rows) > first, end_cursor=edges[-1].cursor if edges else None
    )


def page(
    rows: Sequence[V], first: int, cursor: Callable[[V], str], node: Callable[[V], T]
) -> Connection[T]:
    """`paged` as a connection."""
    edges, page_info = paged(rows, first, cursor, node)
    return Connection(edges=edges, page_info=page_info)
