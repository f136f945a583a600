"""What every part of the schema is made of: context, connections; ids and refusals are beside."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, cast

import strawberry
from redis.asyncio import Redis
from strawberry.dataloader import DataLoader

from domain import callers, refusals, texts
from live import bucket as live_bucket
from live import bus
from resolvers import captions as live_captions
from resolvers import desk as desks
from resolvers import feeds as live_feeds
from resolvers import intake as intakes
from schema import exchange as exchanges
from schema.ids import NOBODY as NOBODY
from schema.ids import Node as Node
from schema.ids import as_number as as_number
from schema.ids import decode_id as decode_id
from schema.ids import encode_id as encode_id
from schema.ids import pack, unpack
from schema.ids import parts_of as parts_of
from schema.ids import person_id as person_id
from schema.ids import single as single
from schema.ids import split_id as split_id
from schema.refused import Conflict as Conflict
from schema.refused import InvalidInput as InvalidInput
from schema.refused import NotFound as NotFound
from schema.refused import NotPermitted as NotPermitted
from schema.refused import Refusal as Refusal
from schema.refused import RefusalHandler as RefusalHandler
from schema.refused import Refused as Refused
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

    A subscription sets `start` (`begin`), and before each yield `mark` (`push`), to the number a
    client may resume after; one that is resumed finds that number in `resume_after`. `development`
    shows everybody the schema; without a `bucket` operations are not charged. `secret_key` signs
    links; `sip_realm` is what SIP users sign in to, `desk` what signing in needs, `exchange` the
    request it came by, `intake` the way of records in (None: nothing is replayed). `language` is
    that of who asks, known or not.
    """

    caller: callers.Caller | None
    clock: Callable[[], datetime]
    redis: Redis
    bus: bus.Bus
    feeds: live_feeds.Feeds
    secret_key: str = ""
    sip_realm: str = ""
    language: str = texts.DEFAULT
    resume_after: int | None = None
    start: int | None = None
    mark: int | None = None
    development: bool = False
    bucket: live_bucket.Bucket | None = None
    desk: desks.Desk = field(default_factory=desks.Desk)
    exchange: exchanges.Exchange = field(default_factory=exchanges.Exchange)
    intake: intakes.Intake | None = None
    captions: live_captions.Captions = field(default_factory=live_captions.Captions)
    within: Any = None  # what `bounded` has found of the operation before it is prepared
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

    def begin(self, mark: int) -> None:
        """A subscription tells what comes after this."""
        self.start = self.mark = mark

    @property
    def zone(self) -> str:
        """The IANA zone of who asks."""
        return "UTC" if self.caller is None else self.caller.zone

    def say(self, text: texts.Text) -> str:
        return text.said(self.language, self.zone)

    def push(self, mark: int | None) -> None:
        """Before a subscription yields. What was loaded for the push before is not shown again."""
        self.mark = mark
        self._loaders.clear()

    def loader(
        self, load: Callable[[list[K]], Awaitable[Sequence[V]]], *, cached: bool = True
    ) -> DataLoader[K, V]:
        """The operation's data loader of a module-level batch function. `cached` False: it only
        batches, for what mutations of the same operation may change."""
        if load not in self._loaders:
            self._loaders[load] = DataLoader(load_fn=load, cache=cached)
        return cast("DataLoader[K, V]", self._loaders[load])


def grouped(keys: Sequence[tuple[int, K]]) -> dict[K, list[int]]:
    """The ids of a batch by what is asked of them."""
    ids: dict[K, list[int]] = {}
    for id, asked in keys:
        ids.setdefault(asked, []).append(id)
    return ids


Info: TypeAlias = strawberry.Info[Context, None]


@strawberry.type
class Scoped:
    """What a customer and an account have in common: whose numbers they show.

    `customer_id` None is the whole account. Fields of both are written once, in a subclass.
    """

    account_id: strawberry.Private[int]
    customer_id: strawberry.Private[int | None]


# Connections ---------------------------------------------------------------------------------

MAX_PAGE = 100
First: TypeAlias = Annotated[
    int, strawberry.argument(description=f"How many at most, 1 to {MAX_PAGE}.")
]
After: TypeAlias = Annotated[
    str | None, strawberry.argument(description="A cursor: what follows it; null: from the start.")
]

Search: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Those alone that have, for each word of it, one that begins with it, in"
        " whatever case and with whatever accents; null: all."
    ),
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
            "BAD_PAGE_SIZE",
            "Ask for 1 to {limit} at a time, not {requested}.",
            field,
            limit=MAX_PAGE,
            requested=first,
        )
    return first


def encode_cursor(*key: int | str) -> str:
    """An opaque cursor of a row's place in its order; no part may hold a `:`."""
    return pack("cursor:" + ":".join(map(str, key)))


def decode_cursor(cursor: str | None, parts: int = 1) -> tuple[str, ...] | None:
    """A cursor's key, None without a cursor; refused as BAD_CURSOR when it is none of ours."""
    if cursor is None:
        return None
    name, *key = (unpack(cursor) or "").split(":")
    if name != "cursor" or len(key) != parts:
        raise bad_cursor()
    return tuple(key)


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def encode_time_cursor(at: datetime, id: int) -> str:
    """A cursor of what is ordered by an instant, then by a number."""
    return encode_cursor((at - _EPOCH) // _MICROSECOND, id)


def decode_time_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    key = decode_cursor(cursor, 2)
    if key is None:
        return None
    at, id = (as_number(part) for part in key)
    if at is None or id is None:
        raise bad_cursor()
    try:
        return _EPOCH + at * _MICROSECOND, id
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
