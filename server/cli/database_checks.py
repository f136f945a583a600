"""What `doctor` says about the settings of a PostgreSQL server; pure."""

import math
from collections.abc import Iterator

from models.server import Server
from server.cli.finding import Finding

STATEMENTS_AT_ONCE = 8  # over all partitions: a migration or dump, beside it reconciliations
_DAYS_AT_LEAST = 365
_INDEXES_AT_LEAST = 3
_LOCKS_STEP = 64  # PostgreSQL's default
_TINY_BUFFERS = 128 << 20
_ENOUGH_BUFFERS = 1 << 30
_DATABASE_PER_BUFFERS = 8

_POOLER = (
    "a pooler between Callboard and PostgreSQL gives out a session for each transaction, so that"
    " advisory locks of a session and prepared statements do not work. Connect to PostgreSQL"
    " directly, or set pool_mode = session (PgBouncer)"
)


def findings(server: Server, partition_days: int) -> Iterator[Finding]:
    """`partition_days`: how many days call records have partitions for."""
    if server.encoding != "UTF8":
        advice = (
            f"the database is encoded in {server.encoding}. Create one with ENCODING 'UTF8'"
            " TEMPLATE template0, and restore a dump into it"
        )
        yield Finding("bad", "encoding", advice)
    yield _durability(server)
    yield _locks(server, max(partition_days, _DAYS_AT_LEAST))
    yield from _buffers(server)
    if server.jit == "on":
        advice = "on by default; Callboard turns it off for its own connections. Nothing to do"
        yield Finding("note", "JIT", advice)
    detail = f"sessions use UTC; times in PostgreSQL's log are in {server.log_timezone}"
    yield Finding("good", "time zone", detail)


def sessions(*, kept: bool) -> Finding:
    if kept:
        return Finding("good", "sessions", "each connection keeps its session of the server")
    return Finding("bad", "sessions", _POOLER)


def _durability(server: Server) -> Finding:
    off = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if getattr(server, name) == "off"
    ]
    if not off:
        return Finding("good", "durability", "what is acknowledged survives a crash")
    advice = f"a crash may lose what was acknowledged, or damage it. Set {', '.join(off)} to on"
    return Finding("bad", "durability", advice)


def _locks(server: Server, days: int) -> Finding:
    """A statement over all partitions locks each with its indexes. PostgreSQL has room for twice
    max_locks_per_transaction × (max_connections + max_prepared_transactions) held locks."""
    each = days * (1 + max(server.record_indexes, _INDEXES_AT_LEAST))
    sessions = server.max_connections + server.max_prepared_transactions
    room = 2 * server.max_locks_per_transaction * sessions // each
    detail = (
        f"max_locks_per_transaction {server.max_locks_per_transaction} has room for {room}"
        f" statements over {days:,} partitions of call records at once ({each:,} locks each)"
    )
    if room >= STATEMENTS_AT_ONCE:
        return Finding("good", "locks", detail)
    wanted = math.ceil(STATEMENTS_AT_ONCE * each / (2 * sessions * _LOCKS_STEP)) * _LOCKS_STEP
    advice = f"{detail}. Set it to {wanted} for {STATEMENTS_AT_ONCE} and restart PostgreSQL"
    return Finding("note", "locks", advice)


def _buffers(server: Server) -> Iterator[Finding]:
    wanted = min(_ENOUGH_BUFFERS, server.database_size // _DATABASE_PER_BUFFERS)
    if server.shared_buffers >= max(_TINY_BUFFERS, wanted):
        return
    advice = (
        f"shared_buffers {server.shared_buffers >> 20} MB is little for a database of"
        f" {server.database_size >> 20:,} MB. Set it to a quarter of the machine's memory"
    )
    yield Finding("note", "memory", advice)
