"""What all parts of the schema use: context and connections, and re-exported ids and refusals."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar, cast

import strawberry
from strawberry.dataloader import DataLoader

from domain import epoch, refusals
from domain.identity import callers
from domain.messaging import texts
from domain.summaries import freshness
from schema.engine import exchange as exchanges
from schema.engine import permissions, services
from schema.engine import spending as spendings
from schema.engine.fragments import declarations
from schema.engine.ids import UNKNOWN_ID as UNKNOWN_ID
from schema.engine.ids import Node as Node
from schema.engine.ids import as_number as as_number
from schema.engine.ids import decode_id as decode_id
from schema.engine.ids import decode_optional_id as decode_optional_id
from schema.engine.ids import encode_id as encode_id
from schema.engine.ids import pack, unpack
from schema.engine.ids import parts_of as parts_of
from schema.engine.ids import person_id as person_id
from schema.engine.ids import single as single
from schema.engine.ids import split_id as split_id
from schema.engine.refusal_types import Conflict as Conflict
from schema.engine.refusal_types import InvalidInput as InvalidInput
from schema.engine.refusal_types import NotFound as NotFound
from schema.engine.refusal_types import NotPermitted as NotPermitted
from schema.engine.refusal_types import Refusal as Refusal
from schema.engine.refusal_types import RefusalHandler as RefusalHandler
from schema.engine.refusal_types import Refused as Refused
from schema.engine.scalars import SCALARS as SCALARS
from schema.engine.scalars import Long as Long
from schema.engine.scalars import Money as Money
from schema.engine.scalars import plain as plain

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# The context of a resolver -------------------------------------------------------------------


@dataclass(slots=True)
class Progress:
    """The position of a subscription. A client can resume after `mark`, which is set before each
    event. `start` is the first mark, `resume_after` that of a resumed subscription."""

    resume_after: int | None = None
    start: int | None = None
    mark: int | None = None


@dataclass(slots=True)
class Context:
    """One per operation. `now` is its start; a subscription calls `clock()` for every push.

    `language` is the caller's, or the one that an unauthenticated request accepts. `exchange` is
    the request. `checked` is the operation as `bounded` has measured it before it is prepared.
    `parts` are those of its document that `fragments` has compiled; None: nothing is cached.
    """

    caller: callers.Caller | None
    clock: Callable[[], datetime]
    services: services.Services
    language: str = texts.DEFAULT
    progress: Progress = field(default_factory=Progress)
    exchange: exchanges.Exchange = field(default_factory=exchanges.Exchange)
    checked: Any = None
    parts: dict[Any, Any] | None = None
    bill: spendings.Bill = field(init=False)
    now: datetime = field(init=False)
    _loaders: dict[Any, DataLoader[Any, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.now = self.clock()
        self.bill = spendings.Bill(self.services.spending, self.caller)

    @property
    def sees_schema(self) -> bool:
        """Whether introspection and suggestions of names are allowed."""
        return self.services.development or self.caller is not None

    def signed_in(self) -> callers.Caller:
        """The caller. Refuses UNAUTHENTICATED if there is none."""
        if self.caller is None:
            raise refusals.Refusal(
                "UNAUTHENTICATED", "Sign in, or send an API key as a bearer token."
            )
        return self.caller

    def start_from(self, mark: int) -> None:
        """Sets the mark after which a subscription starts."""
        self.progress.start = self.progress.mark = mark

    @property
    def zone(self) -> str:
        """The IANA zone of the caller."""
        return "UTC" if self.caller is None else self.caller.zone

    def say(self, text: texts.Text) -> str:
        return text.translate(self.language, self.zone)

    def push(self, mark: int | None) -> None:
        """Sets the mark before a subscription yields. Drops data loaded for the previous push."""
        self.progress.mark = mark
        self._loaders.clear()

    def loader(
        self, load: Callable[[list[K]], Awaitable[Sequence[V]]], *, cached: bool = True
    ) -> DataLoader[K, V]:
        """The operation's data loader of a module-level batch function. Not `cached`: batches only,
        for data that mutations of the same operation may change."""
        if load not in self._loaders:
            self._loaders[load] = DataLoader(load_fn=load, cache=cached)
        return cast("DataLoader[K, V]", self._loaders[load])


def grouped(keys: Sequence[tuple[int, K]]) -> dict[K, list[int]]:
    """The ids of a batch, grouped by what is requested of them."""
    ids: dict[K, list[int]] = {}
    for id, asked in keys:
        ids.setdefault(asked, []).append(id)
    return ids


Info: TypeAlias = strawberry.Info[Context, None]


@strawberry.type
class Scoped:
    """A customer or (`customer_id` None) the whole account.

    Fields that both types have are declared once, in a subclass of this.
    """

    account_id: strawberry.Private[int]
    customer_id: strawberry.Private[int | None]


@permissions.open_type
@strawberry.type
class Fresh:
    """How fresh sums of records are."""

    as_of: datetime = strawberry.field(
        description="Every call that was acknowledged before this time is included.",
        metadata=declarations.live(),
    )
    stale: bool = strawberry.field(
        description="Whether `asOf` is more than"
        f" {freshness.MAX_AGE.total_seconds():.0f} s ago, so newer calls are not yet included.",
        metadata=declarations.live(),
    )


# Connections ---------------------------------------------------------------------------------

MAX_PAGE = 100
First: TypeAlias = Annotated[
    int, strawberry.argument(description=f"Maximum number of items, 1 to {MAX_PAGE}.")
]
After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of an item; the page starts after it. Null: from the start."
    ),
]

Search: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Only items that contain, for each search word, a word starting with it. Ignores"
            " case and accents. Null: all."
        )
    ),
]


@permissions.open_type
@strawberry.type(description="Position of a page in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow after `endCursor`.")
    end_cursor: str | None = strawberry.field(
        description="The last edge's cursor, for `after`. On an empty page, the cursor that was"
        " passed as `after`; null if there was none."
    )


@permissions.open_type
@strawberry.type(description="An item of a list, with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        description="Opaque. Pass it as `after` to continue after this item."
    )
    node: T = strawberry.field(description="The item.")


@permissions.open_type
@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Whether and where the list continues.")


def page_size(first: int, field: str = "first") -> int:
    """`first`, refused outside 1 to MAX_PAGE. Query one row more: see `paged`."""
    if not 1 <= first <= MAX_PAGE:
        raise refusals.Refusal(
            "BAD_PAGE_SIZE",
            "Request 1 to {limit} items at a time, not {requested}.",
            field,
            limit=MAX_PAGE,
            requested=first,
        )
    return first


def encode_cursor(*key: int | str) -> str:
    """An opaque cursor of a row's sort key, whose parts may not contain a `:`."""
    return pack("cursor:" + ":".join(map(str, key)))


def decode_cursor(cursor: str | None, parts: int = 1) -> tuple[str, ...] | None:
    """A cursor's key; None without a cursor. Refuses BAD_CURSOR if the cursor is invalid."""
    if cursor is None:
        return None
    name, *key = (unpack(cursor) or "").split(":")
    if name != "cursor" or len(key) != parts:
        raise bad_cursor()
    return tuple(key)


def encode_time_cursor(at: datetime, id: int) -> str:
    """A cursor of a list that is ordered by time, then by number."""
    return encode_cursor(epoch.to_microseconds(at), id)


def decode_time_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    key = decode_cursor(cursor, 2)
    if key is None:
        return None
    at, id = (as_number(part) for part in key)
    if at is None or id is None:
        raise bad_cursor()
    try:
        return epoch.from_microseconds(at), id
    except OverflowError as error:
        raise bad_cursor() from error


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


class _HasCursor(Protocol):
    cursor: str


def page_info(edges: Sequence[_HasCursor], after: str | None, *, has_next: bool) -> PageInfo:
    """Of a page that was requested `after` a cursor."""
    return PageInfo(has_next_page=has_next, end_cursor=edges[-1].cursor if edges else after)


def paged(
    rows: Sequence[V],
    first: int,
    after: str | None,
    cursor: Callable[[V], str],
    node: Callable[[V], T],
) -> tuple[list[Edge[T]], PageInfo]:
    """Edges and page info of up to `first + 1` rows. The extra row shows that more follow."""
    edges = [Edge(cursor=cursor(row), node=node(row)) for row in rows[:first]]
    return edges, page_info(edges, after, has_next=len(rows) > first)


def page(
    rows: Sequence[V],
    first: int,
    after: str | None,
    cursor: Callable[[V], str],
    node: Callable[[V], T],
) -> Connection[T]:
    """`paged` as a connection."""
    edges, info = paged(rows, first, after, cursor, node)
    return Connection(edges=edges, page_info=info)
