"""The PostgreSQL server itself: its settings, and whether a connection keeps its session there."""

import asyncio
from dataclasses import dataclass

from models import db, faults

_SESSION_CHECKS = 3
_SESSION_CHECK_TIMEOUT_SECONDS = 5.0  # for each check


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of the server, not of this session; sizes in bytes. `record_indexes` counts the
    indexes of each partition of call records; 0 before the first migration."""

    version: str
    encoding: str
    jit: str
    log_timezone: str
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    shared_buffers: int
    database_size: int
    max_locks_per_transaction: int
    max_connections: int
    max_prepared_transactions: int
    record_indexes: int


# `reset_val` leaves out the settings of this session.
_SETTINGS = """
SELECT current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding,
       (SELECT reset_val FROM pg_settings WHERE name = 'jit') AS jit,
       current_setting('log_timezone') AS log_timezone,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers,
       pg_database_size(current_database()) AS database_size,
       current_setting('max_locks_per_transaction')::integer AS max_locks_per_transaction,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('max_prepared_transactions')::integer AS max_prepared_transactions,
       (SELECT count(*) FROM pg_index WHERE indrelid = to_regclass('call_records'))::integer
           AS record_indexes
"""
_BACKEND_ID = "SELECT pg_backend_pid()"


async def read_settings() -> ServerSettings:
    async with db.connection() as conn:
        return ServerSettings(**dict(await conn.fetchrow(_SETTINGS)))


async def keeps_sessions() -> bool:
    """Whether all statements of a connection reach the same session of the server.

    Between two statements of one connection, a transaction begins on a second connection. A pooler
    that assigns a session per transaction needs another session for one of the three. A pooler
    without a spare session makes the last statement wait.
    """
    try:
        for _ in range(_SESSION_CHECKS):
            async with asyncio.timeout(_SESSION_CHECK_TIMEOUT_SECONDS):
                if not await _keeps_session():
                    return False
    except faults.NO_SESSION_ERRORS:
        return False
    return True


async def _keeps_session() -> bool:
    async with db.connection() as first, db.connection() as second:
        session = await first.fetchval(_BACKEND_ID)
        async with second.transaction():
            await second.fetchval(_BACKEND_ID)
            same: bool = session == await first.fetchval(_BACKEND_ID)
    return same
