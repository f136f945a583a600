"""The PostgreSQL server itself: its settings, and whether a connection keeps its session there."""

import asyncio
from dataclasses import dataclass

from models import db, faults

_ROUNDS = 3
_ANSWER_WITHIN = 5.0  # seconds for each round


@dataclass(frozen=True, slots=True)
class Server:
    """Settings as the server has them for others; sizes in bytes. `record_indexes`: of each
    partition of call records, 0 if there are none yet."""

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


# `reset_val`: without what this session has set.
_DESCRIBE = """
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
_SESSION = "SELECT pg_backend_pid()"


async def describe() -> Server:
    async with db.connection() as conn:
        return Server(**dict(await conn.fetchrow(_DESCRIBE)))


async def keeps_sessions() -> bool:
    """Whether all statements of a connection reach the same session of the server.

    Between two statements of one connection, a transaction begins on another one. A pooler that
    gives out a session for each transaction has to give one of the three another session, and one
    that has no other session lets the last statement wait.
    """
    try:
        for _ in range(_ROUNDS):
            async with asyncio.timeout(_ANSWER_WITHIN):
                if not await _keeps_session():
                    return False
    except faults.NO_SESSION:
        return False
    return True


async def _keeps_session() -> bool:
    async with db.connection() as ours, db.connection() as other:
        session = await ours.fetchval(_SESSION)
        async with other.transaction():
            await other.fetchval(_SESSION)
            same: bool = session == await ours.fetchval(_SESSION)
    return same
