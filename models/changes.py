"""Changes of a row, under its lock, with what was before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tortoise.models import Model

from domain import refusals

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Change(Generic[Row]):
    """`row` as it is now. `before` and `after` hold what differs, nothing where nothing does."""

    row: Row
    before: dict[str, Any]
    after: dict[str, Any]


async def change(
    table: type[Row],
    key: Mapping[str, int],
    wanted: Mapping[str, Any],
    expected_version: int | None = None,
) -> Change[Row] | None:
    """Sets columns in the open transaction and raises the row's version; None where there is no
    such row. Who only refers to the row meanwhile waits for nothing, and is not waited for.

    CHANGED_MEANWHILE where the version is not the expected one; None: whatever it is.
    """
    row = await table.filter(**key).select_for_update(no_key=True).get_or_none()
    if row is None:
        return None
    version: int = row.version  # type: ignore[attr-defined]  # of every table changed here
    if expected_version not in (None, version):
        raise refusals.Refusal(
            "CHANGED_MEANWHILE",
            "This has been changed since you read it: read it again, then change it.",
            "expectedVersion",
        )
    before = {name: getattr(row, name) for name in wanted}
    after = {name: value for name, value in wanted.items() if value != before[name]}
    if after:
        raised = {**after, "version": version + 1}
        await table.filter(**key).update(**raised)
        row.update_from_dict(raised)
    return Change(row, {name: before[name] for name in after}, after)
