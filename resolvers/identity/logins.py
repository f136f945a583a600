"""The logins of people whom the caller can see."""

from collections.abc import Sequence

from models.identity import logins
from models.tables import Login


async def rows(keys: Sequence[tuple[int, int]]) -> list[Login]:
    """The logins of foreign keys (account, login), all of one account."""
    logins_by_id = await logins.by_ids(keys[0][0], [login_id for _, login_id in keys])
    return [logins_by_id[login_id] for _, login_id in keys]
