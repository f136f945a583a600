"""Manual statements, and the refusals of the database."""

import asyncpg

from models import db


class Undone(Exception):  # noqa: N818 - the statement was possible, and is taken back
    pass


async def refusal(statement: str) -> str | None:
    """The error of the database; the effect of a statement without an error is rolled back."""
    try:
        async with db.transaction() as conn:
            await conn.execute(statement)
            raise Undone
    except Undone:
        return None
    except asyncpg.PostgresError as error:
        return str(error)


async def is_refused(statement: str) -> bool:
    return await refusal(statement) is not None
