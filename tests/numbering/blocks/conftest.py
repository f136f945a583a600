"""One database for all tests of numbers; each test creates an account and reads only its data."""

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from models import db
from tests.support.numbering.number_plan import NumberPlan, open_plan


@pytest.fixture(scope="package")
async def plan_url(services: Any, template: str) -> AsyncIterator[str]:
    """The URL of a migrated database, opened through `models.db`."""
    name = f"callboard_numbers_{os.getpid()}"
    credentials = db.config(services.database_url)["connections"]["default"]["credentials"]
    options = {key: credentials[key] for key in ("host", "port", "user", "password")}
    connection = await asyncpg.connect(**options, database="postgres")
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    url = urlunsplit(urlsplit(services.database_url)._replace(path=f"/{name}"))
    await db.open_database(url)
    yield url
    await db.close_database()
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
async def plan(plan_url: str) -> NumberPlan:
    """An account with two customers and the range 1000 to 99999 in blocks of 1000."""
    new_plan = await open_plan()
    await new_plan.range()
    return new_plan
