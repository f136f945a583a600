"""The findings of `doctor` about the settings of a PostgreSQL server; pure."""

import math
from collections.abc import Iterator, Sequence

from models.database_server import ServerSettings
from server.cli.finding import Finding

CONCURRENT_STATEMENTS = 8  # over all partitions: a migration or dump, and reconciliations
_MIN_DAYS = 365
_MIN_INDEXES = 3
_LOCKS_STEP = 64  # PostgreSQL's default
_MIN_BUFFERS_BYTES = 128 << 20
_ENOUGH_BUFFERS_BYTES = 1 << 30
_BUFFERS_SHARE = 8

_POOLER = (
    "a pooler between Callboard and PostgreSQL assigns a session to each transaction. Session-level"
    " advisory locks and prepared statements do not work with it. Connect to PostgreSQL directly,"
    " or set pool_mode = session (PgBouncer)"
)


def findings(server: ServerSettings, partition_days: int) -> Iterator[Finding]:
    """`partition_days`: the number of days for which call records have partitions."""
    if server.encoding != "UTF8":
        advice = (
            f"the database is encoded in {server.encoding}. Create one with ENCODING 'UTF8'"
            " TEMPLATE template0, and restore a dump into it"
        )
        yield Finding("bad", "encoding", advice)
    yield _durability(server)
    yield _locks(server, max(partition_days, _MIN_DAYS))
    yield from _buffers(server)
    if server.jit == "on":
        advice = "on; Callboard turns it off for its own connections. No action is needed"
        yield Finding("note", "JIT", advice)
    detail = f"sessions use UTC; times in PostgreSQL's log are in {server.log_timezone}"
    yield Finding("good", "time zone", detail)


def logins(in_two_forms: Sequence[Sequence[str]]) -> Iterator[Finding]:
    """`in_two_forms`: e-mail addresses that look alike."""
    for emails in in_two_forms:
        text = " and ".join(email.encode("ascii", "backslashreplace").decode() for email in emails)
        advice = (
            f"{text} are the same e-mail address in two forms. Each signs in with its own form."
            " Change one of them"
        )
        yield Finding("note", "logins", advice)


def sessions(*, keeps_session: bool) -> Finding:
    if keeps_session:
        return Finding("good", "sessions", "each connection keeps its server session")
    return Finding("bad", "sessions", _POOLER)


def _durability(server: ServerSettings) -> Finding:
    off = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if getattr(server, name) == "off"
    ]
    if not off:
        return Finding("good", "durability", "acknowledged data survives a crash")
    advice = f"a crash may lose or damage acknowledged data. Set {', '.join(off)} to on"
    return Finding("bad", "durability", advice)


def _locks(server: ServerSettings, days: int) -> Finding:
    """A statement over all partitions locks each with its indexes. PostgreSQL can hold twice
    max_locks_per_transaction × (max_connections + max_prepared_transactions) locks."""
    each = days * (1 + max(server.record_indexes, _MIN_INDEXES))
    sessions = server.max_connections + server.max_prepared_transactions
    capacity = 2 * server.max_locks_per_transaction * sessions // each
    detail = (
        f"max_locks_per_transaction {server.max_locks_per_transaction} allows {capacity}"
        f" statements over {days:,} partitions of call records at once ({each:,} locks each)"
    )
    if capacity >= CONCURRENT_STATEMENTS:
        return Finding("good", "locks", detail)
    needed = math.ceil(CONCURRENT_STATEMENTS * each / (2 * sessions * _LOCKS_STEP)) * _LOCKS_STEP
    advice = f"{detail}. Set it to {needed} for {CONCURRENT_STATEMENTS} and restart PostgreSQL"
    return Finding("note", "locks", advice)


def _buffers(server: ServerSettings) -> Iterator[Finding]:
    needed = min(_ENOUGH_BUFFERS_BYTES, server.database_size // _BUFFERS_SHARE)
    if server.shared_buffers >= max(_MIN_BUFFERS_BYTES, needed):
        return
    advice = (
        f"shared_buffers {server.shared_buffers >> 20} MB is small for a database of"
        f" {server.database_size >> 20:,} MB. Set it to a quarter of the machine's memory"
    )
    yield Finding("note", "memory", advice)
