"""Changes of a row under its lock, with the values before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tortoise.models import Model

from domain import refusals

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Change(Generic[Row]):
    """`row` is the row after the change. `before` and `after` hold only the columns that differ."""

    row: Row
    before: dict[str, Any]
    after: dict[str, Any]


async def change(
    table: type[Row],
    key: Mapping[str, int],
    values: Mapping[str, Any],
    expected_version: int | None = None,
) -> Change[Row] | None:
    """Sets columns in the open transaction and increases the row's version; None if there is no
    such row. Transactions that only refer to the row do not wait, and it does not wait for them.

    Refuses CHANGED_MEANWHILE if the version is not the expected one. None expects any version.
    """
    row = await table.filter(**key).select_for_update(no_key=True).get_or_none()
    if row is None:
        return None
    version: int = row.version  # type: ignore[attr-defined]  # every table changed here has a version
    if expected_version not in (None, version):
        raise refusals.Refusal(
            "CHANGED_MEANWHILE",
            "This was changed after you read it. Read it again, then change it.",
            "expectedVersion",
        )
    before = {name: getattr(row, name) for name in values}
    after = {name: value for name, value in values.items() if value != before[name]}
    if after:
        columns = {**after, "version": version + 1}
        await table.filter(**key).update(**columns)
        row.update_from_dict(columns)
    return Change(row, {name: before[name] for name in after}, after)
