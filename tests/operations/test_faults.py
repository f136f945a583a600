"""Which errors of the database mean that it is unavailable, by their SQLSTATE."""

import asyncpg
import pytest
from tortoise.exceptions import TransactionManagementError

from models import faults
from models.faults import Condition


def _error(sqlstate: str) -> Exception:
    """As asyncpg creates it from a server's message."""
    error: Exception = asyncpg.PostgresError.new({"C": sqlstate, "M": "a message", "S": "ERROR"})
    return error


@pytest.mark.parametrize(
    ("sqlstate", "condition"),
    [
        ("25006", Condition.READ_ONLY),
        ("53100", Condition.DISK_FAILED),
        ("58030", Condition.DISK_FAILED),
        ("53300", Condition.UNREACHABLE),
        ("57P01", Condition.UNREACHABLE),
        ("57P02", Condition.UNREACHABLE),
        ("57P03", Condition.UNREACHABLE),
        ("57P05", Condition.UNREACHABLE),
        ("08006", Condition.UNREACHABLE),
        ("08P01", Condition.UNREACHABLE),
        ("53000", None),
        ("53200", None),
        ("53400", None),
        ("57014", None),
    ],
)
def test_a_database_that_cannot_serve_is_unavailable(
    sqlstate: str, condition: Condition | None
) -> None:
    unavailable = faults.as_unavailable(_error(sqlstate))
    assert unavailable is not None
    assert unavailable.condition == condition


@pytest.mark.parametrize("sqlstate", ["23505", "40001", "40P01", "22P02", "25P02", "42P01"])
def test_an_error_of_the_statement_does_not_mean_unavailable(sqlstate: str) -> None:
    assert faults.as_unavailable(_error(sqlstate)) is None


def test_an_error_wrapped_by_tortoise_is_classified_by_its_cause() -> None:
    wrapped = TransactionManagementError("cannot execute INSERT")
    wrapped.__cause__ = _error("25006")
    unavailable = faults.as_unavailable(wrapped)
    assert unavailable is not None
    assert unavailable.condition is Condition.READ_ONLY


def test_an_unsendable_value_or_a_timeout_does_not_mean_unavailable() -> None:
    assert faults.as_unavailable(asyncpg.DataError("invalid input for query argument $1")) is None
    assert faults.as_unavailable(TimeoutError()) is None
