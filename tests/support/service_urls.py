"""The URLs of the services of a test run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TestServices:
    """`database_url` names the server; each test has a database of its own on it."""

    __test__ = False
    database_url: str
    redis_url: str
