"""The jobs that follow a change run once, after the commit, and never after a rollback."""

from collections.abc import Iterator, Set
from datetime import UTC, datetime

import pytest

from models import changes, db

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CUSTOMER = changes.AuditedChange(1, 2, NOW)
MESSAGES = changes.Work.MESSAGES


@pytest.fixture
def batches() -> Iterator[list[Set[changes.Change]]]:
    """The changes of each transaction, in the order of the commits."""
    batches: list[Set[changes.Change]] = []

    async def follow(changes_of_batch: Set[changes.Change]) -> None:
        async with db.connection() as conn:
            assert not conn.is_in_transaction()
        batches.append(changes_of_batch)

    with changes.follow_with(follow):
        yield batches


async def _roll_back(change: changes.Change) -> None:
    async with db.transaction():
        changes.record(change)
        raise LookupError


@pytest.mark.usefixtures("database")
async def test_changes_are_passed_on_once_after_the_outermost_commit(
    batches: list[Set[changes.Change]],
) -> None:
    async with db.transaction():
        changes.record(CUSTOMER)
        async with db.transaction():
            changes.record(MESSAGES)
            changes.record(CUSTOMER)
        assert batches == []
    assert batches == [{CUSTOMER, MESSAGES}]


@pytest.mark.usefixtures("database")
async def test_nothing_follows_a_rollback(batches: list[Set[changes.Change]]) -> None:
    with pytest.raises(LookupError):
        await _roll_back(CUSTOMER)
    assert batches == []


@pytest.mark.usefixtures("database")
async def test_a_savepoint_that_is_rolled_back_is_left_out(
    batches: list[Set[changes.Change]],
) -> None:
    async with db.transaction():
        changes.record(CUSTOMER)
        with pytest.raises(LookupError):
            await _roll_back(MESSAGES)
    assert batches == [{CUSTOMER}]


@pytest.mark.usefixtures("database")
async def test_a_transaction_that_changes_nothing_is_followed_by_nothing(
    batches: list[Set[changes.Change]],
) -> None:
    async with db.transaction():
        pass
    assert batches == []


async def test_a_change_outside_a_transaction_is_an_error_where_something_follows(
    batches: list[Set[changes.Change]],
) -> None:
    with pytest.raises(RuntimeError, match="no transaction is open"):
        changes.record(CUSTOMER)
    assert batches == []


async def test_a_command_may_note_changes_that_nothing_follows() -> None:
    changes.record(CUSTOMER)
